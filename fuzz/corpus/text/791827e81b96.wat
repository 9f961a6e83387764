(module $A
  (type $f (func))
  (func (export "f") (type $f)i16x8.add)
)