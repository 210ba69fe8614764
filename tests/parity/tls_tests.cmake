# TLS from end to end, on OpenSSL's own jobs and on the drop-in.
find_package(OpenSSL 3 COMPONENTS SSL Crypto)
if(NOT OpenSSL_FOUND OR NOT SY_TOOLS)
  return()
endif()

add_executable(tls_end_to_end tls_end_to_end.c
  ${PROJECT_SOURCE_DIR}/bench/tls/tls_credentials.c)
target_link_libraries(tls_end_to_end PRIVATE switchyard_static
  OpenSSL::SSL OpenSSL::Crypto ${CMAKE_DL_LIBS} switchyard_options)

function(tls_test name)
  cmake_parse_arguments(PARSE_ARGV 1 t "" "" "ARGUMENTS;ENVIRONMENT")
  add_test(NAME parity.tls_${name} COMMAND tls_end_to_end ${t_ARGUMENTS})
  set_tests_properties(parity.tls_${name} PROPERTIES
    TIMEOUT 120 SKIP_RETURN_CODE 77 LABELS openssl
    ENVIRONMENT "${t_ENVIRONMENT}")
endfunction()

# A job whose connection was freed is what OpenSSL leaks.
set(leaks "ASAN_OPTIONS=detect_leaks=0:verify_asan_link_order=0")

tls_test(stock)
tls_test(stock_freed ARGUMENTS --free-in-pause ENVIRONMENT ${leaks})

# With the provider, whose configuration names its file.
if(TARGET switchyard_provider)
  file(GENERATE OUTPUT ${CMAKE_CURRENT_BINARY_DIR}/tls_provider.cnf CONTENT
"openssl_conf = init
[init]
providers = providers
alg_section = algorithms
[providers]
default = underneath
switchyard = offload
[underneath]
activate = 1
[offload]
module = $<TARGET_FILE:switchyard_provider>
device = sim:servers=16,service=fixed:200us
activate = 1
[algorithms]
default_properties = ?provider=switchyard
")
  set(provider "OPENSSL_CONF=${CMAKE_CURRENT_BINARY_DIR}/tls_provider.cnf"
    SWITCHYARD_PROVIDER_PAUSES=1)
  tls_test(stock_provider ENVIRONMENT ${provider})
  tls_test(stock_provider_freed ARGUMENTS --free-in-pause
    ENVIRONMENT ${provider} ${leaks})
endif()

if(TARGET switchyard_openssl)
  set(preload "LD_PRELOAD=$<TARGET_FILE:switchyard_openssl>")
  tls_test(preload ARGUMENTS --drop-in ENVIRONMENT ${preload}
    "ASAN_OPTIONS=verify_asan_link_order=0")
  tls_test(preload_freed ARGUMENTS --drop-in --free-in-pause
    ENVIRONMENT ${preload} ${leaks})
  if(TARGET switchyard_provider)
    tls_test(preload_provider ARGUMENTS --drop-in
      ENVIRONMENT ${preload} ${provider}
      "ASAN_OPTIONS=verify_asan_link_order=0")
    tls_test(preload_provider_freed ARGUMENTS --drop-in --free-in-pause
      ENVIRONMENT ${preload} ${provider} ${leaks})
  endif()
endif()
