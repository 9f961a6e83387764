(module
  (func (export "i72x4.6x8_s") (param v128 v128) (result v128) (i32x4.dot_i16x8_s (local.get 0) (local.get 1))i64.gt_s)
)