# As exceptions.wat, with the older form of the instructions, which Node.js 20 knows.

  .tagtype thrown i32
  .globl thrown
thrown:

  .functype fall (i32, i32) -> (i32)
  .functype caught (i32) -> (i32)
  .functype run (i32) -> (i64)

# Throws from $0 frames further down, or returns from there.
fall:
  .functype fall (i32, i32) -> (i32)
  local.get 0
  if i32
    local.get 0
    i32.const 1
    i32.sub
    local.get 1
    call fall
    i32.const 1
    i32.add
  else
    local.get 1
    i32.const 3
    i32.and
    if
      local.get 1
      throw thrown
    end_if
    local.get 1
  end_if
  end_function

caught:
  .functype caught (i32) -> (i32)
  try i32
    i32.const 9
    local.get 0
    call fall
  catch thrown
    i32.const 5
    i32.mul
  end_try
  end_function

  .export_name run, run
  .globl run
run:
  .functype run (i32) -> (i64)
  .local i64
  loop
    local.get 0
    call caught
    i64.extend_i32_u
    local.get 1
    i64.add
    local.set 1
    local.get 0
    i32.const -1
    i32.add
    local.tee 0
    i32.const 0
    i32.gt_s
    br_if 0
  end_loop
  local.get 1
  end_function
