# Warnings and sanitizers, for everything that we compile.
add_library(switchyard_options INTERFACE)
target_compile_definitions(switchyard_options INTERFACE _GNU_SOURCE)
target_compile_options(switchyard_options INTERFACE
  $<$<COMPILE_LANGUAGE:C,CXX>:-Wall -Wextra -Wconversion -Wshadow -Werror>
  $<$<COMPILE_LANGUAGE:C>:-Wstrict-prototypes -Wmissing-prototypes>
  $<$<COMPILE_LANGUAGE:C,CXX>:-fvisibility=hidden>)

# Frames can be walked, but the short paths, which call nothing, need none.
# What is measured in the place of a user's program has SY_AS_USERS set, and is
# compiled as compilers do if nobody tells them.
set(frames -fno-omit-frame-pointer)
if(CMAKE_SYSTEM_PROCESSOR MATCHES "x86_64|AMD64")
  list(APPEND frames -momit-leaf-frame-pointer)
endif()
target_compile_options(switchyard_options INTERFACE
  "$<$<NOT:$<BOOL:$<TARGET_PROPERTY:SY_AS_USERS>>>:${frames}>")

# An address such as errno's must not be kept across a switch of stacks, and a
# longjmp to another stack is no error here.
target_compile_options(switchyard_options INTERFACE
  $<$<COMPILE_LANGUAGE:C,CXX>:-U_FORTIFY_SOURCE>)

# Source files are named as in the tree, not as on this machine, in messages
# and, where it is not for debugging in this tree, in what debuggers read. Run
# from the tree's root they find them. The last option that fits counts.
set(map macro)
if(NOT CMAKE_BUILD_TYPE STREQUAL "Debug")
  set(map file)
endif()
target_compile_options(switchyard_options INTERFACE
  -f${map}-prefix-map=${PROJECT_SOURCE_DIR}/=
  -f${map}-prefix-map=${PROJECT_BINARY_DIR}=.)

# What docs/debugging.md calls leaks is looked for where assertions are on.
if(CMAKE_BUILD_TYPE STREQUAL "Debug")
  set(check_leaks ON)
else()
  set(check_leaks OFF)
endif()
option(SY_CHECK_LEAKS
  "Look for leaks of signal mask and FP words at every switch" ${check_leaks})
target_compile_definitions(switchyard_options INTERFACE
  SY_CHECK_LEAKS=$<BOOL:${SY_CHECK_LEAKS}>)

# Probes for tracers, one nop each (switchyard/usdt.h).
include(CheckIncludeFile)
check_include_file(sys/sdt.h SY_HAVE_SDT_HEADER)
option(SY_USDT "Build with USDT probes where sys/sdt.h is installed" ON)
if(SY_USDT AND NOT SY_HAVE_SDT_HEADER)
  message(STATUS "No sys/sdt.h (systemtap-sdt-dev): no USDT probes")
endif()
if(SY_USDT AND SY_HAVE_SDT_HEADER)
  set(usdt 1)
else()
  set(usdt 0)
endif()
# A target with the property SY_NO_USDT set is built without, for comparison.
target_compile_definitions(switchyard_options INTERFACE
  SY_USDT=$<IF:$<BOOL:$<TARGET_PROPERTY:SY_NO_USDT>>,0,${usdt}>)

if(SY_SANITIZE)
  target_compile_options(switchyard_options INTERFACE
    $<$<COMPILE_LANGUAGE:C,CXX>:-fsanitize=${SY_SANITIZE}>
    $<$<COMPILE_LANGUAGE:C,CXX>:-fno-sanitize-recover=all>)
  add_link_options(-fsanitize=${SY_SANITIZE})
endif()
