# berth_add_suite: how a suite below tests/ registers a test.

# berth_add_suite(NAME COMMAND program arg… [LABELS …] [TIMEOUT seconds] [ENVIRONMENT k=v…]
#                 [FIXTURES_REQUIRED …] [FIXTURES_SETUP …] [RESOURCE_LOCK …] [PROCESSORS n])
#
# The command finds the program under test in $BERTH and the public suites in $BERTH_TESTSUITES. It
# exits 0 for passed, 77 for skipped after printing why, and anything else for failed.
function(berth_add_suite name)
  cmake_parse_arguments(PARSE_ARGV 1 arg "" "TIMEOUT;PROCESSORS"
    "COMMAND;LABELS;ENVIRONMENT;FIXTURES_REQUIRED;FIXTURES_SETUP;RESOURCE_LOCK")
  if(arg_UNPARSED_ARGUMENTS)
    message(FATAL_ERROR "berth_add_suite(${name}): unknown arguments ${arg_UNPARSED_ARGUMENTS}")
  endif()
  if(NOT arg_TIMEOUT)
    set(arg_TIMEOUT 300)
  endif()
  add_test(NAME ${name} COMMAND ${arg_COMMAND})
  set_tests_properties(${name} PROPERTIES
    SKIP_RETURN_CODE 77 TIMEOUT ${arg_TIMEOUT} LABELS "suite;${arg_LABELS}"
    ENVIRONMENT "BERTH=${CMAKE_BINARY_DIR}/bin/berth;BERTH_TESTSUITES=${BERTH_TESTSUITES};${arg_ENVIRONMENT}")
  foreach(property PROCESSORS FIXTURES_REQUIRED FIXTURES_SETUP RESOURCE_LOCK)
    if(arg_${property})
      set_tests_properties(${name} PROPERTIES ${property} "${arg_${property}}")
    endif()
  endforeach()
endfunction()
