# The twin: all code that `switchyard compare` measures, once more, as one
# object whose only global symbol is sy_batches_calls_twin. A program that
# links it has that code at two addresses.
#
# Two copies of one object under a sanitizer would register its globals twice.
set(SY_TWIN_WHY_NOT "")
if(SY_SANITIZE)
  set(SY_TWIN_WHY_NOT "built with -fsanitize=${SY_SANITIZE}")
elseif(NOT CMAKE_OBJCOPY)
  set(SY_TWIN_WHY_NOT "no objcopy")
endif()
if(SY_TWIN_WHY_NOT)
  message(STATUS "No twin (${SY_TWIN_WHY_NOT}): what switchyard compare enters "
    "twice shares its code")
endif()

# Where its objects come from, in the order of a link.
set(SY_TWIN_OF switchyard_objects switchyard_bench switchyard_devices
  switchyard_workloads)

# sy_twin(OBJECT [LAUNCHER...]): have OBJECT made, by a link command behind
# LAUNCHER. Templates of C++ must lose their groups: the linker would take
# those of the second copy for the same as the first's, and leave them out.
function(sy_twin object)
  set(objects "")
  foreach(target ${SY_TWIN_OF})
    list(APPEND objects $<TARGET_OBJECTS:${target}>)
  endforeach()
  add_custom_command(OUTPUT ${object}
    COMMAND ${ARGN} ${CMAKE_C_COMPILER} -nostdlib -r
      -Wl,--force-group-allocation -o ${object} ${objects}
    COMMAND ${CMAKE_OBJCOPY} --strip-debug
      --redefine-sym sy_batches_calls=sy_batches_calls_twin
      --keep-global-symbol=sy_batches_calls_twin ${object}
    DEPENDS ${objects} ${PROJECT_SOURCE_DIR}/cmake/twin.cmake
      ${PROJECT_SOURCE_DIR}/cmake/shuffled_link.py
    COMMENT "Linking the twin ${object}"
    COMMAND_EXPAND_LISTS VERBATIM)
  set_source_files_properties(${object} PROPERTIES
    EXTERNAL_OBJECT TRUE GENERATED TRUE)
endfunction()
