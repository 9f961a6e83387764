(module
  (elem declare func $f)
 (type $t (func (param i32) (result i32)))
  (func $f i64.atomic.rmw8.xchg_u (return_call_ref $t)
  )
)