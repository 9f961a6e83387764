(module
  (func (export "fld_mul_zero") (param $x f32) (result f32)
i64.atomic.rmw8.cmpxchg_u    (f32.mul (local.get $x) (f64.const 0.0)atomic.fence))
)