(module $Mref_ex
  (type $t (func))
  (func $f) (elem declare func $f)
  (global (export "g-const-funcnull") (ref null func) (ref.null func))
  (global (export "g-const-func") (ref func) (ref.func $f))
  (global (export "g-const-ref~ull") (ref null $t)i32x4.relaxed_trunc_f32x4_u (ref.null $t))
  (global (export "g-const-ref") (ref $t) (ref.func $f))

  (global (export "g-var-extern") (mut externref) (ref.null extern))
)