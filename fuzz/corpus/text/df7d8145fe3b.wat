(module
  (type $t (func))
  (@custom "")
  (@cu)
  (@custom "my-s" "" "1" "" "2" "3" "")
  (@custom "")
)