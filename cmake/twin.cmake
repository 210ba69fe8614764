# The twins: all code that `switchyard compare` measures, as one object whose
# only global symbol is sy_batches_calls_first, and once more with _second. A
# program that links both has that code at two addresses (cli/twin.h).
#
# Under a sanitizer every copy would register its globals.
set(SY_TWIN_WHY_NOT "")
if(SY_SANITIZE)
  set(SY_TWIN_WHY_NOT "built with -fsanitize=${SY_SANITIZE}")
elseif(NOT CMAKE_OBJCOPY)
  set(SY_TWIN_WHY_NOT "no objcopy")
endif()
if(SY_TWIN_WHY_NOT)
  message(STATUS "No twins (${SY_TWIN_WHY_NOT}): what switchyard compare enters "
    "twice shares its code")
endif()

# Where its objects come from, in the order of a link.
set(SY_TWIN_OF switchyard_objects switchyard_bench switchyard_devices
  switchyard_workloads)

# sy_twin(OBJECT WHICH [LAUNCHER...]): have OBJECT made, the "first" or the
# "second", by a link command behind LAUNCHER. Templates of C++ must lose their
# groups: the linker would take those of two copies for the same, and leave one
# out. GNU's and LLVM's objcopy rename in another order than they keep, so these
# are two commands.
function(sy_twin object which)
  set(objects "")
  foreach(target ${SY_TWIN_OF})
    list(APPEND objects $<TARGET_OBJECTS:${target}>)
  endforeach()
  set(table sy_batches_calls_${which})
  add_custom_command(OUTPUT ${object}
    COMMAND ${ARGN} ${CMAKE_C_COMPILER} -nostdlib -r
      -Wl,--force-group-allocation -o ${object} ${objects}
    COMMAND ${CMAKE_OBJCOPY} --strip-debug
      --redefine-sym sy_batches_calls=${table} ${object}
    COMMAND ${CMAKE_OBJCOPY} --keep-global-symbol=${table} ${object}
    DEPENDS ${objects} ${PROJECT_SOURCE_DIR}/cmake/twin.cmake
      ${PROJECT_SOURCE_DIR}/cmake/shuffled_link.py
    COMMENT "Linking the ${which} twin ${object}"
    COMMAND_EXPAND_LISTS VERBATIM)
  set_source_files_properties(${object} PROPERTIES
    EXTERNAL_OBJECT TRUE GENERATED TRUE)
endfunction()

# sy_add_twins(TARGET): link both into a program, as they are.
function(sy_add_twins target)
  if(SY_TWIN_WHY_NOT)
    return()
  endif()
  foreach(which first second)
    set(object ${CMAKE_CURRENT_BINARY_DIR}/twin-${which}.o)
    sy_twin(${object} ${which})
    target_sources(${target} PRIVATE ${object})
  endforeach()
endfunction()
