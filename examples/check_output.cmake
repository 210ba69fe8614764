# Run PROGRAM and compare what it prints with the file EXPECTED.
# usage: cmake -DPROGRAM=... [-DARGUMENTS=...] -DEXPECTED=... -P check_output.cmake
execute_process(COMMAND ${PROGRAM} ${ARGUMENTS} OUTPUT_VARIABLE printed
  RESULT_VARIABLE status TIMEOUT 60)
if(NOT status STREQUAL "0")
  message(FATAL_ERROR "${PROGRAM} ended with ${status}; it printed:\n${printed}")
endif()
file(READ ${EXPECTED} expected)
if(NOT printed STREQUAL expected)
  message(FATAL_ERROR "expected:\n${expected}\nprinted:\n${printed}")
endif()
