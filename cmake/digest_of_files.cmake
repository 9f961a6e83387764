# cmake -DOUTPUT=… -DROOT=… -DINPUTS=a;b;… -P digest_of_files.cmake
#
# Writes a digest of the files' names below ROOT and contents, as a C string.
list(SORT INPUTS)
set(all "")
foreach(input IN LISTS INPUTS)
  file(SHA256 "${input}" digest)
  cmake_path(RELATIVE_PATH input BASE_DIRECTORY "${ROOT}" OUTPUT_VARIABLE name)
  string(APPEND all "${digest} ${name}\n")
endforeach()
string(SHA256 digest "${all}")
string(SUBSTRING "${digest}" 0 16 digest)
file(WRITE "${OUTPUT}" "\"${digest}\"\n")
