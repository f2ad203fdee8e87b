# g++ 12 compiles ordinary coroutine code into something else without a warning: an `if (co_await x)` whose body never
# runs, captured temporaries freed early. Refuse it here rather than let a user find out.
if(CMAKE_CXX_COMPILER_ID STREQUAL "GNU" AND CMAKE_CXX_COMPILER_VERSION VERSION_LESS 14)
  message(FATAL_ERROR
    "g++ ${CMAKE_CXX_COMPILER_VERSION} miscompiles C++ coroutines silently, and swarmd is written in them. "
    "Use clang 19: 'apt-get install clang-19 lld-19', then 'cmake --preset dev' (the presets choose it).")
endif()
if(CMAKE_CXX_COMPILER_ID STREQUAL "Clang" AND CMAKE_CXX_COMPILER_VERSION VERSION_LESS 19)
  message(FATAL_ERROR
    "clang ${CMAKE_CXX_COMPILER_VERSION} is too old; swarmd needs clang 19: 'apt-get install clang-19 lld-19'.")
endif()
