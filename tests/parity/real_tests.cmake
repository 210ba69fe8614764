# Programs that others wrote, on the drop-in and with the offload provider.
# Those of Debian are not sanitized, so nothing sanitized is loaded into them.
if(NOT TARGET switchyard_openssl OR NOT TARGET switchyard_provider OR
    NOT TARGET switchyard OR SY_SANITIZE)
  return()
endif()

foreach(program s_server speed haproxy)
  add_test(NAME parity.real_${program}
    COMMAND /usr/bin/python3 ${CMAKE_CURRENT_SOURCE_DIR}/real_${program}.py
    --switchyard $<TARGET_FILE:switchyard>
    --provider $<TARGET_FILE:switchyard_provider>)
  set_tests_properties(parity.real_${program} PROPERTIES
    TIMEOUT 120 SKIP_RETURN_CODE 77 LABELS openssl)
endforeach()

# A short comparison; what it finds is not judged, but that it found it.
if(TARGET switchyard_tls)
  add_test(NAME parity.real_scenario
    COMMAND switchyard run --scenario tls --rounds 4 --turns 1 --handshakes 40
    --jobs 16 --json)
  set_tests_properties(parity.real_scenario PROPERTIES
    TIMEOUT 120 LABELS openssl PASS_REGULAR_EXPRESSION "server_cpu_us")
endif()
