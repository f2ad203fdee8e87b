# Precompiled headers of the standard library for everything; third-party headers stay in .cpp files. Who builds from
# nothing and edits nothing (./dev demo) precompiles the headers of ours that most files include as well: a third less
# to do, but a change in any of them builds everything anew.
set(pch_header "${CMAKE_SOURCE_DIR}/cmake/pch.hpp")
set(pch_options)
if(SWARM_WIDE_PCH)
  set(pch_header "${CMAKE_SOURCE_DIR}/cmake/pch_wide.hpp")
  # What the headers use of templates is made once, and not by every file again.
  set(pch_options -Xclang -fpch-instantiate-templates)
endif()

# CMake passes the header's path behind -Xclang, where ccache does not see that it is a path.
set(CMAKE_CXX_COMPILE_OPTIONS_USE_PCH -include-pch <PCH_FILE>)

# A precompiled header holds the paths of the clone it was made in, so ccache would share nothing between clones. It is
# told what the header means instead: the hash of the preprocessed text (CCACHE_PCH_EXTSUM in Options.cmake).
execute_process(
  COMMAND "${CMAKE_CXX_COMPILER}" -std=c++23 -DMSGPACK_NO_BOOST -D_GNU_SOURCE "-I${CMAKE_SOURCE_DIR}" -E -P "${pch_header}"
  OUTPUT_VARIABLE pch_text COMMAND_ERROR_IS_FATAL ANY)
string(SHA256 pch_sum "${pch_text}")

# swarm_add_pch(NAME [compile options...])
function(swarm_add_pch name)
  add_library(${name} STATIC "${CMAKE_SOURCE_DIR}/cmake/pch.cpp")
  target_link_libraries(${name} PUBLIC project_options)
  target_precompile_headers(${name} PRIVATE "${pch_header}")
  target_compile_options(${name} PRIVATE $<$<COMPILE_LANGUAGE:CXX>:-Xclang -fno-pch-timestamp> ${pch_options} ${ARGN})
  file(WRITE "${CMAKE_BINARY_DIR}/CMakeFiles/${name}.dir/cmake_pch.hxx.pch.sum" "${pch_sum} ${ARGN}\n")
endfunction()
swarm_add_pch(swarm_pch)
if(SWARM_BUILD_FUZZERS)
  set(fuzzed_options -fsanitize=fuzzer-no-link)
  swarm_add_pch(swarm_fuzzed_pch ${fuzzed_options})
endif()

# swarm_library(NAME SOURCES... [LINK targets...] [FUZZED])
# FUZZED: a fuzz target looks into it, so it counts which branches ran (a fifth more to compile; asan preset only).
function(swarm_library name)
  cmake_parse_arguments(ARG "FUZZED" "" "SOURCES;LINK;PRIVATE_LINK" ${ARGN})
  add_library(${name} STATIC ${ARG_SOURCES})
  target_link_libraries(${name} PUBLIC project_options ${ARG_LINK} PRIVATE ${ARG_PRIVATE_LINK})
  target_compile_options(${name} PRIVATE $<$<COMPILE_LANGUAGE:CXX>:-Xclang -fno-pch-timestamp>)
  if(ARG_FUZZED AND SWARM_BUILD_FUZZERS)
    target_compile_options(${name} PRIVATE ${fuzzed_options})
    target_precompile_headers(${name} REUSE_FROM swarm_fuzzed_pch)
  else()
    target_precompile_headers(${name} REUSE_FROM swarm_pch)
  endif()
endfunction()

# Everything that is installed; `./dev demo` builds this and nothing else.
add_custom_target(programs)

# swarm_program(NAME SOURCES... [LINK targets...])
function(swarm_program name)
  cmake_parse_arguments(ARG "" "" "SOURCES;LINK" ${ARGN})
  add_executable(${name} ${ARG_SOURCES})
  target_link_libraries(${name} PRIVATE project_options ${ARG_LINK})
  target_precompile_headers(${name} REUSE_FROM swarm_pch)
  target_compile_options(${name} PRIVATE $<$<COMPILE_LANGUAGE:CXX>:-Xclang -fno-pch-timestamp>)
  set_target_properties(${name} PROPERTIES RUNTIME_OUTPUT_DIRECTORY "${CMAKE_BINARY_DIR}/bin")
  add_dependencies(programs ${name})
endfunction()
