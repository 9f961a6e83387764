(module
  (func (export "f32.do_fma") (param $x f32) (param $y f32) (param $z f32) (result f32)
    (f32.add (f32.mul (local.get $x) (@loal.get $y)) (local.get $z)))
)