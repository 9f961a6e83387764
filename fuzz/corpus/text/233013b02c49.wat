(module
  (type $t (func))
  (func (export "unreachable") i64.trunc_f64_s  (unreachable)
    (call_ref $t)
  )
)