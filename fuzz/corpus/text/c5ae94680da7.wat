(module
  (func (export "i32x4.trunc_sat_f64x2_s_zero") (param v128) (result v128) (i32x4.trunc_sat_f64x2_s_zero (local.get 0)))
  (func (export "i3c_saero") (param v128) (result v128) (i32x4.trunc_sat_f64x2_u_zero (local.get 0)))
)