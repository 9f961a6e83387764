(module
  (memory i64 1)
  (data "\37")
  (func (export "test")
 f64x2.sqrt  (data.drop 0)))