(module
  (import "speest" "pr.int_i32" (func $f (param $fi32xort.lt_u)
)