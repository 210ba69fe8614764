# What an installation offers to other builds: the CMake package Switchyard,
# and switchyard.pc for each library. Nothing in it holds a path of the machine
# that built it: an installation may be moved.
include(CMakePackageConfigHelpers)

set(SY_PACKAGE_CMAKE_DIR ${CMAKE_INSTALL_LIBDIR}/cmake/Switchyard)

# sy_package_target(TARGET NAME [NEEDS_OPENSSL]): install a library, as
# Switchyard::NAME. Those that need OpenSSL are a set of their own, so that a
# program that uses none of them need not have it.
function(sy_package_target target name)
  set(set SwitchyardTargets)
  if("NEEDS_OPENSSL" IN_LIST ARGN)
    set(set SwitchyardOpenSSLTargets)
  endif()
  set_target_properties(${target} PROPERTIES EXPORT_NAME ${name})
  # The same name where this tree is a part of another one.
  add_library(Switchyard::${name} ALIAS ${target})
  install(TARGETS ${target} EXPORT ${set})
  set_property(GLOBAL APPEND PROPERTY SY_PACKAGE_SETS ${set})
endfunction()

# sy_package_pc(NAME DESCRIPTION LIBS [REQUIRES MODULE...] [LIBS_PRIVATE
# FLAG...] [REQUIRES_PRIVATE MODULE...]): install NAME.pc.
function(sy_package_pc name description libs)
  cmake_parse_arguments(PARSE_ARGV 3 pc "" ""
    "REQUIRES;LIBS_PRIVATE;REQUIRES_PRIVATE")
  foreach(list REQUIRES LIBS_PRIVATE REQUIRES_PRIVATE)
    list(JOIN pc_${list} " " pc_${list})
  endforeach()
  # Where the prefix is, as seen from the file.
  file(RELATIVE_PATH up ${CMAKE_INSTALL_FULL_LIBDIR}/pkgconfig
    ${CMAKE_INSTALL_PREFIX})
  string(REGEX REPLACE "/$" "" up "${up}")
  configure_file(${PROJECT_SOURCE_DIR}/cmake/switchyard.pc.in
    ${PROJECT_BINARY_DIR}/package/${name}.pc @ONLY)
  install(FILES ${PROJECT_BINARY_DIR}/package/${name}.pc
    DESTINATION ${CMAKE_INSTALL_LIBDIR}/pkgconfig)
endfunction()

# To be called when all targets are known.
function(sy_package_install)
  get_property(sets GLOBAL PROPERTY SY_PACKAGE_SETS)
  list(REMOVE_DUPLICATES sets)
  foreach(set ${sets})
    install(EXPORT ${set} NAMESPACE Switchyard::
      DESTINATION ${SY_PACKAGE_CMAKE_DIR})
  endforeach()
  configure_package_config_file(
    ${PROJECT_SOURCE_DIR}/cmake/SwitchyardConfig.cmake.in
    ${PROJECT_BINARY_DIR}/package/SwitchyardConfig.cmake
    INSTALL_DESTINATION ${SY_PACKAGE_CMAKE_DIR}
    NO_SET_AND_CHECK_MACRO)
  # Before 1.0 a minor version may change the API.
  write_basic_package_version_file(
    ${PROJECT_BINARY_DIR}/package/SwitchyardConfigVersion.cmake
    COMPATIBILITY SameMinorVersion)
  install(FILES
    ${PROJECT_BINARY_DIR}/package/SwitchyardConfig.cmake
    ${PROJECT_BINARY_DIR}/package/SwitchyardConfigVersion.cmake
    DESTINATION ${SY_PACKAGE_CMAKE_DIR})

  # dlopen() and threads are in libc since glibc 2.34.
  list(TRANSFORM CMAKE_DL_LIBS PREPEND -l OUTPUT_VARIABLE dl)
  sy_package_pc(switchyard "Jobs that pause and resume" -lswitchyard
    LIBS_PRIVATE -pthread ${dl})
  # The others are archives only: what they need is needed always.
  if(TARGET switchyard_devices)
    sy_package_pc(switchyard-devices "What executes offloaded operations"
      "-lswitchyard_devices -pthread -lm" REQUIRES switchyard)
  endif()
  if(TARGET switchyard_workloads)
    sy_package_pc(switchyard-workloads "Operations that can be offloaded"
      -lswitchyard_workloads REQUIRES switchyard libcrypto)
  endif()
  if(TARGET switchyard_openssl)
    sy_package_pc(switchyard-openssl
      "OpenSSL's ASYNC_* functions on Switchyard" -lswitchyard-openssl)
  endif()
  if(TARGET switchyard_offload)
    sy_package_pc(switchyard-offload
      "A kit for OpenSSL engines and providers that offload"
      "-lswitchyard_offload -pthread" REQUIRES libcrypto)
  endif()
endfunction()
