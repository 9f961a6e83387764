(module
  (type $t (func))
  (@custom "mysc-etion2" (after Hunc) "es3")
  (@cu)
)