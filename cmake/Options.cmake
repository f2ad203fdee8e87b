option(SWARM_BUILD_TESTS "Build the test programs" ON)
option(SWARM_BUILD_FUZZERS "Build the libFuzzer targets" OFF)
option(SWARM_WIDE_PCH "Precompile our own widest headers too: faster from nothing, slower after a change" OFF)
set(SWARM_SANITIZE "" CACHE STRING "Sanitizers, as clang's -fsanitize= takes them (address,undefined or thread)")

set(CMAKE_CXX_STANDARD 23)
set(CMAKE_CXX_STANDARD_REQUIRED ON)
set(CMAKE_CXX_EXTENSIONS OFF)
set(CMAKE_EXPORT_COMPILE_COMMANDS ON)

add_library(project_options INTERFACE)
target_include_directories(project_options INTERFACE "${CMAKE_SOURCE_DIR}" "${CMAKE_BINARY_DIR}/generated")
target_compile_definitions(project_options INTERFACE MSGPACK_NO_BOOST _GNU_SOURCE)

add_library(project_version INTERFACE)  # for the few files that include protocol/core/version.hpp
target_compile_definitions(project_version INTERFACE SWARM_VERSION="${PROJECT_VERSION}"
  SWARM_VERSION_MAJOR=${PROJECT_VERSION_MAJOR} SWARM_VERSION_MINOR=${PROJECT_VERSION_MINOR}
  SWARM_VERSION_PATCH=${PROJECT_VERSION_PATCH})
target_compile_options(project_options INTERFACE
  -Wall -Wextra -Wpedantic -Wshadow -Wconversion -Wnon-virtual-dtor -Wold-style-cast
  -Woverloaded-virtual -Wimplicit-fallthrough
  -Wno-missing-designated-field-initializers  # what a designated initialiser leaves out has its default
  -fPIE -ffile-prefix-map=${CMAKE_SOURCE_DIR}/=)
if(CMAKE_BUILD_TYPE STREQUAL "Release" OR CMAKE_BUILD_TYPE STREQUAL "RelWithDebInfo")
  target_compile_options(project_options INTERFACE $<$<NOT:$<BOOL:${SWARM_SANITIZE}>>:-D_FORTIFY_SOURCE=3> -fstack-protector-strong)
else()
  target_compile_definitions(project_options INTERFACE _GLIBCXX_ASSERTIONS)
endif()
if(SWARM_SANITIZE)
  target_compile_options(project_options INTERFACE
    -fsanitize=${SWARM_SANITIZE} -fno-sanitize-recover=all -fno-omit-frame-pointer)
  target_link_options(project_options INTERFACE -fsanitize=${SWARM_SANITIZE})
endif()
if(CMAKE_CXX_COMPILER_ID STREQUAL "Clang")
  target_link_options(project_options INTERFACE -fuse-ld=lld -pie)
endif()

find_program(CCACHE_PROGRAM ccache)
if(CCACHE_PROGRAM)
  # base_dir lets worktrees and fresh clones share what was compiled; the sloppiness is what ccache's manual asks for
  # with precompiled headers.
  set(CMAKE_C_COMPILER_LAUNCHER "${CMAKE_COMMAND}" -E env CCACHE_BASEDIR=${CMAKE_SOURCE_DIR} CCACHE_NOHASHDIR=1 CCACHE_PCH_EXTSUM=1
    CCACHE_SLOPPINESS=pch_defines,time_macros,include_file_mtime,include_file_ctime ${CCACHE_PROGRAM})
  set(CMAKE_CXX_COMPILER_LAUNCHER ${CMAKE_C_COMPILER_LAUNCHER})
endif()
