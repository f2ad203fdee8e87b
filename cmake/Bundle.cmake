# swarm_bundle(NAME DIRECTORY PROGRAMS targets... STATIC targets...): a target that makes DIRECTORY with dynamic programs,
# their own dynamic linker and libraries, and static programs. See MakeBundle.cmake.
function(swarm_bundle name directory)
  cmake_parse_arguments(ARG "" "" "PROGRAMS;STATIC" ${ARGN})
  set(programs)
  set(statics)
  foreach(target IN LISTS ARG_PROGRAMS)
    list(APPEND programs "$<TARGET_FILE:${target}>")
  endforeach()
  foreach(target IN LISTS ARG_STATIC)
    list(APPEND statics "$<TARGET_FILE:${target}>")
  endforeach()
  add_custom_command(
    OUTPUT "${directory}.stamp"
    COMMAND "${CMAKE_COMMAND}" -D "OUT=${directory}" -D "PROGRAMS=${programs}" -D "STATIC=${statics}"
      -P "${CMAKE_SOURCE_DIR}/cmake/MakeBundle.cmake"
    COMMAND "${CMAKE_COMMAND}" -E touch "${directory}.stamp"
    DEPENDS ${ARG_PROGRAMS} ${ARG_STATIC} "${CMAKE_SOURCE_DIR}/cmake/MakeBundle.cmake"
    COMMENT "Bundling ${directory}"
    VERBATIM)
  add_custom_target(${name} ALL DEPENDS "${directory}.stamp")
endfunction()

# What sandboxes are given: agentd with what it needs, init, and the `swarm` command, as far as this build has them.
function(swarm_add_agent_bundle)
  set(programs)
  set(statics)
  if(TARGET agentd)
    list(APPEND programs agentd)
  endif()
  foreach(target agentd-init swarm swarm-demo-agent swarm-shim)
    if(TARGET ${target})
      list(APPEND statics ${target})
    endif()
  endforeach()
  swarm_bundle(bundle "${CMAKE_BINARY_DIR}/bundle" PROGRAMS ${programs} STATIC ${statics})
endfunction()
