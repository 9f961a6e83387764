;; Exceptions thrown through ten frames, three times out of four. run(rounds) returns a sum over what was
;; caught and what came back.
(module
  (tag $thrown (param i32))

  ;; Throws from `depth` frames further down, or returns from there.
  (func $fall (param $depth i32) (param $value i32) (result i32)
    (if (result i32) (local.get $depth)
      (then
        (i32.add (call $fall (i32.sub (local.get $depth) (i32.const 1)) (local.get $value)) (i32.const 1)))
      (else
        (if (i32.and (local.get $value) (i32.const 3)) (then (throw $thrown (local.get $value))))
        (local.get $value))))

  (func $caught (param $value i32) (result i32)
    (block $handler (result i32)
      (return
        (try_table (result i32) (catch $thrown $handler)
          (call $fall (i32.const 9) (local.get $value)))))
    (i32.mul (i32.const 5)))

  (func (export "run") (param $rounds i32) (result i64)
    (local $sum i64)
    (loop $again
      (local.set $sum
        (i64.add (local.get $sum) (i64.extend_i32_u (call $caught (local.get $rounds)))))
      (local.set $rounds (i32.sub (local.get $rounds) (i32.const 1)))
      (br_if $again (i32.gt_s (local.get $rounds) (i32.const 0))))
    (local.get $sum)))
