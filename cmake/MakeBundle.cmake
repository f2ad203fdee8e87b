# Makes agentd's bundle: the program with its own dynamic linker and libraries, and the static programs beside it. It starts in
# any root file system, since it needs nothing of it but a kernel.
#
#   cmake -D OUT=DIR -D PROGRAMS="agentd;..." -D STATIC="agentd-init;swarm;..." -P bundle.cmake
#
#   bin/   programs        lib/   ld.so and what ldd names

foreach(required OUT)
  if(NOT ${required})
    message(FATAL_ERROR "bundle: ${required} is not set")
  endif()
endforeach()

set(draft "${OUT}.draft")
file(REMOVE_RECURSE "${draft}")
file(MAKE_DIRECTORY "${draft}/bin" "${draft}/lib")

foreach(program IN LISTS STATIC PROGRAMS)
  get_filename_component(real "${program}" REALPATH)
  get_filename_component(name "${program}" NAME)
  execute_process(COMMAND objcopy --strip-debug "${real}" "${draft}/bin/${name}" RESULT_VARIABLE failed)
  if(failed)
    file(COPY_FILE "${real}" "${draft}/bin/${name}")
  endif()
endforeach()

foreach(program IN LISTS PROGRAMS)
  execute_process(COMMAND ldd "${program}" OUTPUT_VARIABLE listing RESULT_VARIABLE failed)
  if(failed)
    message(FATAL_ERROR "bundle: ldd ${program} failed")
  endif()
  string(REPLACE "\n" ";" lines "${listing}")
  foreach(line IN LISTS lines)
    if(line MATCHES "not found")
      message(FATAL_ERROR "bundle: ${program}: ${line}")
    elseif(line MATCHES "=> (/[^ ]+) ")
      set(library "${CMAKE_MATCH_1}")
      set(name "")
    elseif(line MATCHES "^[ \t]*(/[^ ]*ld-[^ ]+) ")
      set(library "${CMAKE_MATCH_1}")
      set(name "ld.so")
    else()
      continue()  # the vdso, which the kernel brings
    endif()
    if(NOT name)
      get_filename_component(name "${library}" NAME)
    endif()
    if(NOT EXISTS "${draft}/lib/${name}")
      get_filename_component(real "${library}" REALPATH)
      file(COPY_FILE "${real}" "${draft}/lib/${name}")
    endif()
  endforeach()
endforeach()

# What it is, for whoever has to know whether two are the same.
file(GLOB files RELATIVE "${draft}" "${draft}/bin/*" "${draft}/lib/*")
list(SORT files)
set(sums "")
foreach(file IN LISTS files)
  file(SHA256 "${draft}/${file}" sum)
  string(APPEND sums "${sum} ${file}\n")
endforeach()
string(SHA256 id "${sums}")
file(WRITE "${draft}/id" "${id}\n")

# A sandbox that was started from the old bundle keeps it: its mount holds the directory, also after it was moved away.
file(REMOVE_RECURSE "${OUT}.old")
if(EXISTS "${OUT}")
  file(RENAME "${OUT}" "${OUT}.old")
endif()
file(RENAME "${draft}" "${OUT}")
