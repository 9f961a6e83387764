;; Lists of i31 numbers: made, mapped, reversed in place, summed and dropped. run(rounds) returns a sum.
(module
  (rec (type $pair (sub final (struct (field $head (mut (ref null eq))) (field $tail (mut (ref null $pair)))))))
  (func $range (param $n i32) (result (ref null $pair)) (local $list (ref null $pair))
    (loop $more
      (local.set $list (struct.new $pair (ref.i31 (local.get $n)) (local.get $list)))
      (local.set $n (i32.sub (local.get $n) (i32.const 1)))
      (br_if $more (i32.gt_s (local.get $n) (i32.const 0))))
    (local.get $list))
  (func $square (param $list (ref null $pair)) (result (ref null $pair))
    (local $first (ref $pair)) (local $last (ref $pair)) (local $n i32) (local $new (ref $pair))
    (local.set $first (struct.new $pair (ref.null eq) (ref.null $pair)))
    (local.set $last (local.get $first))
    (block $done
      (loop $more
        (br_if $done (ref.is_null (local.get $list)))
        (local.set $n (i31.get_u (ref.cast (ref i31) (struct.get $pair $head (local.get $list)))))
        (local.set $new (struct.new $pair (ref.i31 (i32.mul (local.get $n) (local.get $n))) (ref.null $pair)))
        (struct.set $pair $tail (local.get $last) (local.get $new))
        (local.set $last (local.get $new))
        (local.set $list (struct.get $pair $tail (local.get $list)))
        (br $more)))
    (struct.get $pair $tail (local.get $first)))
  (func $reverse (param $list (ref null $pair)) (result (ref null $pair))
    (local $done (ref null $pair)) (local $next (ref null $pair))
    (block $end
      (loop $more
        (br_if $end (ref.is_null (local.get $list)))
        (local.set $next (struct.get $pair $tail (local.get $list)))
        (struct.set $pair $tail (local.get $list) (local.get $done))
        (local.set $done (local.get $list))
        (local.set $list (local.get $next))
        (br $more)))
    (local.get $done))
  (func $sum (param $list (ref null $pair)) (result i64) (local $sum i64)
    (block $end
      (loop $more
        (br_if $end (ref.is_null (local.get $list)))
        (local.set $sum (i64.add (i64.mul (local.get $sum) (i64.const 3))
          (i64.extend_i32_u (i31.get_u (ref.cast (ref i31) (struct.get $pair $head (local.get $list)))))))
        (local.set $list (struct.get $pair $tail (local.get $list)))
        (br $more)))
    (local.get $sum))
  (func (export "run") (param $rounds i32) (result i64) (local $sum i64)
    (loop $round
      (local.set $sum (i64.add (local.get $sum) (call $sum (call $reverse (call $square (call $range (i32.const 5000)))))))
      (local.set $rounds (i32.sub (local.get $rounds) (i32.const 1)))
      (br_if $round (i32.gt_s (local.get $rounds) (i32.const 0))))
    (local.get $sum)))
