# berth_library, berth_program and berth_fuzz_target: the only ways a target is declared here.
#
# Each library has an include root of its own, a folder that holds nothing but a link to that
# library's sources. The root travels with target_link_libraries, so `#include "wasm/types.h"` is
# found only by a library that names `wasm` in its DEPS, directly or in turn.

set(BERTH_INCLUDE_ROOTS "${CMAKE_BINARY_DIR}/include-roots")
file(MAKE_DIRECTORY "${BERTH_INCLUDE_ROOTS}")

# The root under which `#include "<name>/x.h"` reaches the files of `folder`.
function(berth_include_root root name folder result)
  file(MAKE_DIRECTORY "${BERTH_INCLUDE_ROOTS}/${root}")
  file(CREATE_LINK "${folder}" "${BERTH_INCLUDE_ROOTS}/${root}/${name}" SYMBOLIC)
  set(${result} "${BERTH_INCLUDE_ROOTS}/${root}" PARENT_SCOPE)
endfunction()

# The tables of spec/ are open to every library: `#include "spec/opcodes.def"`.
add_library(berth_spec INTERFACE)
add_library(berth::spec ALIAS berth_spec)
berth_include_root(spec spec "${CMAKE_SOURCE_DIR}/spec" root)
target_include_directories(berth_spec INTERFACE "${root}")

# Adds every folder directly below `parent` that has a CMakeLists.txt.
function(berth_add_subdirectories parent)
  file(GLOB lists CONFIGURE_DEPENDS RELATIVE "${CMAKE_CURRENT_SOURCE_DIR}"
       "${CMAKE_CURRENT_SOURCE_DIR}/${parent}/*/CMakeLists.txt")
  foreach(list IN LISTS lists)
    cmake_path(GET list PARENT_PATH folder)
    add_subdirectory("${folder}")
  endforeach()
endfunction()

# Sources, headers and tests of the calling folder, with the subfolders of this platform only.
macro(berth_glob_folder)
  set(patterns "" )
  string(TOLOWER "${CMAKE_SYSTEM_NAME}" system)
  foreach(part "" "${system}/" "${CMAKE_SYSTEM_PROCESSOR}/")
    list(APPEND patterns "${CMAKE_CURRENT_SOURCE_DIR}/${part}")
  endforeach()
  list(TRANSFORM patterns APPEND "*.cc" OUTPUT_VARIABLE source_patterns)
  list(TRANSFORM patterns APPEND "*.h" OUTPUT_VARIABLE header_patterns)
  file(GLOB sources CONFIGURE_DEPENDS ${source_patterns})
  file(GLOB headers CONFIGURE_DEPENDS ${header_patterns})
  set(tests ${sources})
  list(FILTER tests INCLUDE REGEX "_test\\.cc$")
  list(FILTER sources EXCLUDE REGEX "_test\\.cc$")
endmacro()

# One GoogleTest binary of `tests`, each case a ctest of its own.
function(berth_add_unit_tests target tests deps)
  find_package(GTest REQUIRED)
  include(GoogleTest)
  add_executable(${target} ${tests})
  target_link_libraries(${target} PRIVATE ${deps} GTest::gtest GTest::gtest_main Threads::Threads)
  set_target_properties(${target} PROPERTIES RUNTIME_OUTPUT_DIRECTORY "${CMAKE_BINARY_DIR}/unit")
  set(left_out "")
  if(CMAKE_CROSSCOMPILING)
    target_compile_definitions(${target} PRIVATE BERTH_EMULATED)
    # Each row of the tables takes address space of its own, which is slow under qemu: many minutes.
    set(left_out TEST_FILTER -Fusion.*)
  endif()
  gtest_discover_tests(${target} ${left_out} DISCOVERY_MODE PRE_TEST DISCOVERY_TIMEOUT 60
                       PROPERTIES LABELS unit TIMEOUT 300)
endfunction()

# Compiles each header alone, which proves that it includes what it needs.
add_custom_target(berth_header_check)
function(berth_add_header_check name include_prefix folder headers dep)
  if(NOT headers)
    return()
  endif()
  set(units "")
  foreach(header IN LISTS headers)
    cmake_path(RELATIVE_PATH header BASE_DIRECTORY "${folder}" OUTPUT_VARIABLE relative)
    set(unit "${CMAKE_BINARY_DIR}/header-check/${name}/${relative}.cc")
    file(CONFIGURE OUTPUT "${unit}" @ONLY
         CONTENT "#include \"${include_prefix}/${relative}\"  // IWYU pragma: keep\n")
    list(APPEND units "${unit}")
  endforeach()
  set(target berth_header_check_${name})
  add_library(${target} OBJECT ${units})
  target_link_libraries(${target} PRIVATE ${dep})
  # A header is checked for standing alone; what it defines and does not use is its includers' matter.
  target_compile_options(${target} PRIVATE -O0 -g0 -Wno-unused)
  set_target_properties(${target} PROPERTIES CXX_CLANG_TIDY "")
  if(NOT BERTH_HEADER_CHECK)
    set_target_properties(${target} PROPERTIES EXCLUDE_FROM_ALL ON)
  endif()
  add_dependencies(berth_header_check ${target})
endfunction()

# berth_library(NAME [DEPS lib…] [TEST_DEPS lib…] [LINK target…])
#
# Declares berth_NAME from the calling folder: every *.cc, with `*_test.cc` gathered into the test
# binary berth_NAME_test. DEPS are Berth's own libraries, as layers.toml allows them; TEST_DEPS are
# for the tests only; LINK takes targets from outside. A library with no sources yet is header-only.
function(berth_library name)
  cmake_parse_arguments(PARSE_ARGV 1 arg "" "" "DEPS;TEST_DEPS;LINK")
  if(arg_UNPARSED_ARGUMENTS)
    message(FATAL_ERROR "berth_library(${name}): unknown arguments ${arg_UNPARSED_ARGUMENTS}")
  endif()
  berth_glob_folder()
  set(target berth_${name})
  if(sources)
    set(scope PUBLIC)
    add_library(${target} STATIC ${sources} ${headers})
  else()
    set(scope INTERFACE)
    add_library(${target} INTERFACE)
  endif()
  add_library(berth::${name} ALIAS ${target})

  berth_include_root(${name} ${name} "${CMAKE_CURRENT_SOURCE_DIR}" root)
  target_include_directories(${target} ${scope} "${root}")
  list(TRANSFORM arg_DEPS PREPEND berth:: OUTPUT_VARIABLE deps)
  target_link_libraries(${target} ${scope} ${deps} berth::spec ${arg_LINK} Threads::Threads)

  # Under emulation, which is slow, those that machine code and the kernel matter to.
  if(tests AND (NOT CMAKE_CROSSCOMPILING OR name MATCHES "^(os|runtime|interp|native)$"))
    list(TRANSFORM arg_TEST_DEPS PREPEND berth:: OUTPUT_VARIABLE test_deps)
    berth_add_unit_tests(berth_${name}_test "${tests}" "berth::${name};${test_deps}")
  endif()
  berth_add_header_check(${name} ${name} "${CMAKE_CURRENT_SOURCE_DIR}" "${headers}" berth::${name})
endfunction()

# berth_program(NAME TARGET target [DYNAMIC] [DEPS lib…] [TEST_DEPS lib…] [LINK target…])
#
# Declares the program NAME from the calling folder. Everything but main.cc goes into a library of
# its own, so that unit tests can link it. Its headers are included as "NAME/x.h". DYNAMIC is for a program
# that needs shared libraries even where programs are static.
function(berth_program name)
  cmake_parse_arguments(PARSE_ARGV 1 arg "DYNAMIC" "TARGET" "DEPS;TEST_DEPS;LINK")
  berth_glob_folder()
  set(main "${CMAKE_CURRENT_SOURCE_DIR}/main.cc")
  list(REMOVE_ITEM sources "${main}")
  set(parts ${arg_TARGET}-parts)
  if(sources)
    set(scope PUBLIC)
    add_library(${parts} STATIC ${sources} ${headers})
  else()
    set(scope INTERFACE)
    add_library(${parts} INTERFACE)
  endif()
  berth_include_root(program-${name} ${name} "${CMAKE_CURRENT_SOURCE_DIR}" root)
  target_include_directories(${parts} ${scope} "${root}")
  list(TRANSFORM arg_DEPS PREPEND berth:: OUTPUT_VARIABLE deps)
  target_link_libraries(${parts} ${scope} ${deps} berth::spec ${arg_LINK} Threads::Threads)
  target_compile_definitions(${parts} ${scope} "BERTH_VERSION=\"${PROJECT_VERSION}\"")

  if(EXISTS "${main}")
    add_executable(${arg_TARGET} "${main}")
    set_target_properties(${arg_TARGET} PROPERTIES OUTPUT_NAME ${name})
    target_link_libraries(${arg_TARGET} PRIVATE ${parts})
    set_target_properties(${arg_TARGET} PROPERTIES BERTH_DYNAMIC "${arg_DYNAMIC}")
    if(BERTH_STATIC AND NOT arg_DYNAMIC)
      # Relative relocations in packed form are a fiftieth of the size, and all are read at every start.
      target_link_options(${arg_TARGET} PRIVATE -static-pie -Wl,--pack-dyn-relocs=relr)
    endif()
    if(BERTH_STRIP)
      target_link_options(${arg_TARGET} PRIVATE -Wl,--strip-all)
    endif()
  endif()
  if(tests AND NOT CMAKE_CROSSCOMPILING)
    list(TRANSFORM arg_TEST_DEPS PREPEND berth:: OUTPUT_VARIABLE test_deps)
    berth_add_unit_tests(${arg_TARGET}-test "${tests}" "${parts};${test_deps}")
  endif()
  berth_add_header_check(program_${name} ${name} "${CMAKE_CURRENT_SOURCE_DIR}" "${headers}" ${parts})
endfunction()
