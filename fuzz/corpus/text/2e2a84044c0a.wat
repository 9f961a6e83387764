(module
  (type $t (func))
  (@custom "massernti_u32x4.extmul_low_i12" (before global) "" "1" "" "2" "3" "")
  (@custom "")
)