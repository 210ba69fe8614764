# Libraries of the objects of core, switchers and engines.

# The same sources, compiled once more; further arguments are definitions.
function(sy_objects_like_production name)
  get_target_property(sources switchyard_objects SOURCES)
  get_target_property(definitions switchyard_objects COMPILE_DEFINITIONS)
  if(NOT definitions)
    set(definitions "")
  endif()
  if("SY_TRACED=1" IN_LIST ARGN)
    list(TRANSFORM sources REPLACE "/trace_absent\\.c$" "/trace.c")
  endif()
  add_library(${name} OBJECT ${sources})
  target_link_libraries(${name} PUBLIC switchyard_headers Threads::Threads
    PRIVATE ${CMAKE_DL_LIBS} switchyard_options)
  target_compile_definitions(${name} PRIVATE ${definitions} ${ARGN})
endfunction()

# <prefix>_static and <prefix>_shared of some objects.
function(sy_libraries prefix objects output_name)
  add_library(${prefix}_static STATIC)
  add_library(${prefix}_shared SHARED)
  foreach(lib ${prefix}_static ${prefix}_shared)
    # As sources: a library that links objects cannot be exported without them.
    target_sources(${lib} PRIVATE $<TARGET_OBJECTS:${objects}>)
    target_link_libraries(${lib} PUBLIC switchyard_headers Threads::Threads
      PRIVATE ${CMAKE_DL_LIBS})
    set_target_properties(${lib} PROPERTIES OUTPUT_NAME ${output_name})
  endforeach()
  set_target_properties(${prefix}_shared PROPERTIES
    VERSION ${PROJECT_VERSION} SOVERSION 0)
  target_link_options(${prefix}_shared PRIVATE
    LINKER:--version-script=${PROJECT_SOURCE_DIR}/core/switchyard.map
    LINKER:-z,defs,-z,now,-z,noexecstack,-z,nodelete,-Bsymbolic-functions)
  set_target_properties(${prefix}_shared PROPERTIES
    LINK_DEPENDS ${PROJECT_SOURCE_DIR}/core/switchyard.map)
endfunction()
