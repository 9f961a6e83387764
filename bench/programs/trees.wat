;; Binary trees made of structs: one that lives on, and many that are dropped at once. run(rounds) returns
;; the sum of what is found in their leaves.
(module
  (rec (type $tree (sub final (struct (field $left (ref null $tree)) (field $right (ref null $tree))
                                      (field $value (mut i32))))))
  (global $kept (mut (ref null $tree)) (ref.null $tree))

  (func $grow (param $depth i32) (param $value i32) (result (ref $tree))
    (if (result (ref $tree)) (i32.eqz (local.get $depth))
      (then (struct.new $tree (ref.null $tree) (ref.null $tree) (local.get $value)))
      (else
        (struct.new $tree
          (call $grow (i32.sub (local.get $depth) (i32.const 1)) (i32.mul (local.get $value) (i32.const 3)))
          (call $grow (i32.sub (local.get $depth) (i32.const 1)) (i32.add (local.get $value) (i32.const 7)))
          (i32.const 0)))))

  (func $sum (param $tree (ref $tree)) (result i64)
    (if (ref.is_null (struct.get $tree $left (local.get $tree)))
      (then (return (i64.extend_i32_u (struct.get $tree $value (local.get $tree))))))
    (i64.add
      (call $sum (ref.as_non_null (struct.get $tree $left (local.get $tree))))
      (call $sum (ref.as_non_null (struct.get $tree $right (local.get $tree))))))

  (func (export "run") (param $rounds i32) (result i64)
    (local $sum i64)
    (global.set $kept (call $grow (i32.const 16) (i32.const 1)))
    (loop $again
      (local.set $sum
        (i64.add (local.get $sum) (call $sum (call $grow (i32.const 12) (local.get $rounds)))))
      (local.set $rounds (i32.sub (local.get $rounds) (i32.const 1)))
      (br_if $again (i32.gt_s (local.get $rounds) (i32.const 0))))
    (i64.add (local.get $sum) (call $sum (ref.as_non_null (global.get $kept))))))
