# Every switch of the build. CMakePresets.json sets them; nobody should need to pass one by hand.

set(BERTH_SANITIZE "" CACHE STRING "Sanitizers to build with, as -fsanitize= takes them")
set(BERTH_MARCH "x86-64-v2" CACHE STRING "Instruction set every x86-64 build may use")
option(BERTH_WERROR "Treat warnings as errors" ON)
option(BERTH_STATIC "Link the programs static-pie" OFF)
option(BERTH_STRIP "Strip the programs" OFF)
option(BERTH_LTO "Link with ThinLTO" OFF)
option(BERTH_FUZZ "Build the libFuzzer targets" OFF)
option(BERTH_COVERAGE "Instrument for source coverage" OFF)
option(BERTH_HEADER_CHECK "Compile every header alone in each build" OFF)
option(BERTH_CLANG_TIDY "Run clang-tidy on every source" OFF)

# Suites of public test programs are not part of this repository.
if(DEFINED ENV{BERTH_TESTSUITES})
  set(berth_default_testsuites "$ENV{BERTH_TESTSUITES}")
else()
  cmake_path(SET berth_default_testsuites NORMALIZE "${CMAKE_SOURCE_DIR}/../shared/testsuites")
endif()
set(BERTH_TESTSUITES "${berth_default_testsuites}" CACHE PATH "Folder of the public test suites")
