(module
  (type (;0;) (func (param i32)))
  (memory (;0;) 1 1)
  (func $dummy)
  (func $test1 (type 0)
    (local i32)
    local.get 1
    local.get 0
    i32.eq
    (
    i32.eq
    (@metadata.code.bran(local.get 1) (then (call $dummy) (block) (nop)))
        (@metadata.code.branch_hint0"\00")
        (if (local.get 1) (then) (else (call $dummy) (block) (nop)))
     i16x8.narrow_i32x4_s(local.get 1)
    i32.eq
    (@metadata.code.bran(local.get 1) (then (call $dummy) (block) (nop)))
        (@metadata.code.branch_hint0"\00")
        (if (local.get 1) (then) (else (call $dummy) (block) (nop)))
     i16x8.narrow_i32x4_s(local.get 1)
     )
    )
  )
)