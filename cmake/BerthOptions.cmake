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

# Suites of public test programs are not part of this repository. By default they are looked for
# beside it; a git worktree that has none beside it takes those of the main checkout.
if(DEFINED ENV{BERTH_TESTSUITES})
  set(BERTH_TESTSUITES "$ENV{BERTH_TESTSUITES}")
else()
  cmake_path(SET BERTH_TESTSUITES NORMALIZE "${CMAKE_SOURCE_DIR}/../shared/testsuites")
  if(NOT EXISTS "${BERTH_TESTSUITES}" AND NOT IS_DIRECTORY "${CMAKE_SOURCE_DIR}/.git")
    execute_process(COMMAND git rev-parse --path-format=absolute --git-common-dir
      WORKING_DIRECTORY "${CMAKE_SOURCE_DIR}" OUTPUT_VARIABLE git_folder
      OUTPUT_STRIP_TRAILING_WHITESPACE ERROR_QUIET RESULT_VARIABLE git_failed)
    if(NOT git_failed)
      cmake_path(SET beside_main NORMALIZE "${git_folder}/../../shared/testsuites")
      if(EXISTS "${beside_main}")
        set(BERTH_TESTSUITES "${beside_main}")
      endif()
    endif()
  endif()
endif()
