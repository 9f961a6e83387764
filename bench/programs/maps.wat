;; A hash map with chains of objects that is filled, looked up and emptied; its table is an array of references that
;; grows. run(rounds) returns the sum of what was found.
(module
  (rec (type $entry (sub final (struct (field $key i32) (field $value (mut i64)) (field $next (mut (ref null $entry)))))))
  (type $table (array (mut (ref null $entry))))
  (type $map (struct (field $entries (mut (ref $table))) (field $count (mut i32))))

  (func $new (result (ref $map))
    (struct.new $map (array.new_default $table (i32.const 16)) (i32.const 0)))
  (func $slot (param $key i32) (param $size i32) (result i32)
    (i32.and (i32.shr_u (i32.mul (local.get $key) (i32.const 0x9e3779b1)) (i32.const 7))
             (i32.sub (local.get $size) (i32.const 1))))

  (func $find (param $map (ref $map)) (param $key i32) (result (ref null $entry))
    (local $entry (ref null $entry))
    (local.set $entry
      (array.get $table (struct.get $map $entries (local.get $map))
        (call $slot (local.get $key) (array.len (struct.get $map $entries (local.get $map))))))
    (loop $next
      (if (ref.is_null (local.get $entry)) (then (return (local.get $entry))))
      (if (i32.eq (struct.get $entry $key (local.get $entry)) (local.get $key)) (then (return (local.get $entry))))
      (local.set $entry (struct.get $entry $next (local.get $entry)))
      (br $next))
    (unreachable))

  (func $grow (param $map (ref $map))
    (local $old (ref $table)) (local $new (ref $table)) (local $i i32) (local $slot i32)
    (local $entry (ref null $entry)) (local $next (ref null $entry))
    (local.set $old (struct.get $map $entries (local.get $map)))
    (local.set $new (array.new_default $table (i32.mul (array.len (local.get $old)) (i32.const 2))))
    (loop $each
      (local.set $entry (array.get $table (local.get $old) (local.get $i)))
      (block $done
        (loop $chain
          (br_if $done (ref.is_null (local.get $entry)))
          (local.set $next (struct.get $entry $next (local.get $entry)))
          (local.set $slot (call $slot (struct.get $entry $key (local.get $entry)) (array.len (local.get $new))))
          (struct.set $entry $next (local.get $entry) (array.get $table (local.get $new) (local.get $slot)))
          (array.set $table (local.get $new) (local.get $slot) (local.get $entry))
          (local.set $entry (local.get $next))
          (br $chain)))
      (local.set $i (i32.add (local.get $i) (i32.const 1)))
      (br_if $each (i32.lt_u (local.get $i) (array.len (local.get $old)))))
    (struct.set $map $entries (local.get $map) (local.get $new)))

  (func $add (param $map (ref $map)) (param $key i32) (param $value i64)
    (local $found (ref null $entry)) (local $slot i32)
    (local.set $found (call $find (local.get $map) (local.get $key)))
    (if (i32.eqz (ref.is_null (local.get $found)))
      (then
        (struct.set $entry $value (local.get $found)
          (i64.add (struct.get $entry $value (local.get $found)) (local.get $value)))
        (return)))
    (if (i32.gt_u (struct.get $map $count (local.get $map)) (array.len (struct.get $map $entries (local.get $map))))
      (then (call $grow (local.get $map))))
    (local.set $slot (call $slot (local.get $key) (array.len (struct.get $map $entries (local.get $map)))))
    (array.set $table (struct.get $map $entries (local.get $map)) (local.get $slot)
      (struct.new $entry (local.get $key) (local.get $value)
        (array.get $table (struct.get $map $entries (local.get $map)) (local.get $slot))))
    (struct.set $map $count (local.get $map)
      (i32.add (struct.get $map $count (local.get $map)) (i32.const 1))))

  (func (export "run") (param $rounds i32) (result i64)
    (local $map (ref $map)) (local $i i32) (local $sum i64) (local $found (ref null $entry)) (local $x i32)
    (local.set $map (call $new))
    (loop $round
      ;; 20,000 keys of 32,768 that differ a little from round to round; a new map now and then.
      (if (i32.eqz (i32.and (local.get $rounds) (i32.const 7))) (then (local.set $map (call $new))))
      (local.set $i (i32.const 0))
      (local.set $x (local.get $rounds))
      (loop $fill
        (local.set $x (i32.add (i32.mul (local.get $x) (i32.const 1103515245)) (i32.const 12345)))
        (call $add (local.get $map) (i32.and (i32.shr_u (local.get $x) (i32.const 8)) (i32.const 0x7fff))
          (i64.extend_i32_u (local.get $i)))
        (local.set $i (i32.add (local.get $i) (i32.const 1)))
        (br_if $fill (i32.lt_u (local.get $i) (i32.const 20000))))
      (local.set $i (i32.const 0))
      (loop $look
        (local.set $found (call $find (local.get $map) (local.get $i)))
        (if (i32.eqz (ref.is_null (local.get $found)))
          (then (local.set $sum (i64.add (local.get $sum) (struct.get $entry $value (local.get $found))))))
        (local.set $i (i32.add (local.get $i) (i32.const 3)))
        (br_if $look (i32.lt_u (local.get $i) (i32.const 0x8000))))
      (local.set $rounds (i32.sub (local.get $rounds) (i32.const 1)))
      (br_if $round (i32.gt_s (local.get $rounds) (i32.const 0))))
    (local.get $sum)))
