# Compiler, warnings, sanitizers and the compiler cache: the flags that every target shares.

if(NOT CMAKE_CXX_COMPILER_ID STREQUAL "Clang" OR CMAKE_CXX_COMPILER_VERSION VERSION_LESS 19)
  message(FATAL_ERROR "Berth is built with clang 19 or later (musttail, preserve_none). "
                      "Run ./dev setup, then ./dev build.")
endif()

set(CMAKE_CXX_STANDARD 23)
set(CMAKE_CXX_STANDARD_REQUIRED ON)
set(CMAKE_CXX_EXTENSIONS OFF)
set(CMAKE_C_STANDARD 17)
set(CMAKE_EXPORT_COMPILE_COMMANDS ON)
set(CMAKE_RUNTIME_OUTPUT_DIRECTORY "${CMAKE_BINARY_DIR}/bin")

find_package(Threads REQUIRED)
find_package(Python3 3.11 REQUIRED COMPONENTS Interpreter)

add_compile_options(
  -Wall -Wextra -Wpedantic -Wshadow -Wnon-virtual-dtor -Wimplicit-fallthrough
  # TRY is a statement expression; tables use a few other extensions that clang and GCC share.
  -Wno-gnu
  # WebAssembly fixes the result of each single operation; a fused multiply-add rounds differently.
  -ffp-contract=off
  -ffunction-sections -fdata-sections
  -fdiagnostics-color=always
  # One checkout's objects serve another: no absolute path may reach the output.
  "-ffile-prefix-map=${CMAKE_SOURCE_DIR}=.")
add_link_options(-fuse-ld=lld -Wl,--gc-sections)

if(BERTH_WERROR)
  add_compile_options(-Werror)
endif()
if(BERTH_MARCH AND CMAKE_SYSTEM_PROCESSOR STREQUAL "x86_64")
  add_compile_options("-march=${BERTH_MARCH}")
endif()
if(BERTH_SANITIZE)
  add_compile_options("-fsanitize=${BERTH_SANITIZE}" -fno-sanitize-recover=all -fno-omit-frame-pointer)
  add_link_options("-fsanitize=${BERTH_SANITIZE}")
  if(BERTH_SANITIZE MATCHES address)
    # Frames of a variable size do not go with the calling convention of the interpreter's handlers.
    add_compile_options(-fsanitize-address-use-after-return=never "SHELL:-mllvm -asan-stack-dynamic-alloca=0")
  endif()
endif()
if(BERTH_FUZZ)
  add_compile_options(-fsanitize=fuzzer-no-link)
endif()
if(BERTH_COVERAGE)
  add_compile_options(-fprofile-instr-generate -fcoverage-mapping)
  add_link_options(-fprofile-instr-generate)
endif()
if(BERTH_SANITIZE OR BERTH_FUZZ OR BERTH_COVERAGE)
  add_compile_definitions(BERTH_INSTRUMENTED)
endif()
if(BERTH_LTO)
  add_compile_options(-flto=thin)
  add_link_options(-flto=thin "-Wl,--thinlto-cache-dir=${CMAKE_BINARY_DIR}/thinlto-cache"
                   -Wl,--thinlto-jobs=2)
endif()
if(BERTH_CLANG_TIDY)
  find_program(BERTH_CLANG_TIDY_PROGRAM NAMES clang-tidy-19 clang-tidy REQUIRED)
  set(CMAKE_CXX_CLANG_TIDY "${BERTH_CLANG_TIDY_PROGRAM}" --quiet)
endif()

# ccache, set up so that every checkout on the machine shares one cache.
find_program(BERTH_CCACHE ccache)
if(BERTH_CCACHE)
  foreach(language C CXX)
    set(CMAKE_${language}_COMPILER_LAUNCHER
        env "CCACHE_BASEDIR=${CMAKE_SOURCE_DIR}" CCACHE_NOHASHDIR=1
        "CCACHE_SLOPPINESS=pch_defines,time_macros,include_file_ctime,include_file_mtime"
        "${BERTH_CCACHE}")
  endforeach()
endif()

# What comes from outside, under names of our own.
find_library(BERTH_BOOST_CONTEXT_LIBRARY libboost_context.a REQUIRED)
add_library(boost_context INTERFACE)
target_link_libraries(boost_context INTERFACE "${BERTH_BOOST_CONTEXT_LIBRARY}")
# The archive also where programs are dynamic: only what is used of it gets in.
find_library(BERTH_CRYPTO_LIBRARY libcrypto.a REQUIRED)
if(NOT CMAKE_CROSSCOMPILING)
  find_library(BERTH_SHARED_crypto libcrypto.so REQUIRED)
endif()
add_library(openssl_crypto INTERFACE)
# A program with shared libraries that use it themselves takes the shared one: two in a process would mix.
target_link_libraries(openssl_crypto INTERFACE
  "$<IF:$<BOOL:$<TARGET_PROPERTY:BERTH_DYNAMIC>>,${BERTH_SHARED_crypto},${BERTH_CRYPTO_LIBRARY}>")
find_library(BERTH_SSL_LIBRARY libssl.a REQUIRED)
add_library(openssl_ssl INTERFACE)
target_link_libraries(openssl_ssl INTERFACE "${BERTH_SSL_LIBRARY}" openssl_crypto)
find_library(BERTH_NGHTTP2_LIBRARY libnghttp2.a REQUIRED)
add_library(nghttp2 INTERFACE)
target_link_libraries(nghttp2 INTERFACE "${BERTH_NGHTTP2_LIBRARY}")
# Shared libraries, for programs that are no guests' hosts and need not run in an empty root.
if(NOT CMAKE_CROSSCOMPILING)
  foreach(name curl archive crypto)
    find_library(BERTH_SHARED_${name} lib${name}.so REQUIRED)
    add_library(shared_${name} INTERFACE)
    target_link_libraries(shared_${name} INTERFACE "${BERTH_SHARED_${name}}")
  endforeach()
  find_library(BERTH_YAML_LIBRARY libyaml-cpp.a REQUIRED)
  add_library(yaml_cpp INTERFACE)
  target_link_libraries(yaml_cpp INTERFACE "${BERTH_YAML_LIBRARY}")
endif()
# Also for programs that run in a root of their own.
if(NOT CMAKE_CROSSCOMPILING)
  foreach(name archive lzma ssl z zstd)
    find_library(BERTH_STATIC_${name} lib${name}.a REQUIRED)
  endforeach()
  add_library(static_archive INTERFACE)
  target_link_libraries(static_archive INTERFACE
    "${BERTH_STATIC_archive}" "${BERTH_STATIC_lzma}" "${BERTH_STATIC_z}" "${BERTH_STATIC_zstd}")
  add_library(static_ssl INTERFACE)
  target_link_libraries(static_ssl INTERFACE "${BERTH_STATIC_ssl}" openssl_crypto)
endif()
