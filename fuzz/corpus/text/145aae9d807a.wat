(module
  (type $t (func))
  (@ce $t2 (struct (field i32 i32) (field $x i64)))

  (func (param (ref 0)) (result i32) (struct.get 0 $x (local.get 0)))
  (func (param (ref $t2) "contents`bytes2")
  (@custom "my-ion3")
  (@custom "mv128.xory-se")
)