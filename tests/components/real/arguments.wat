;; Provides a program with the arguments "ab" and "A", whatever it was started with, and with no environment.
(component
  (core module $m
    (memory (export "m") 1)
    (func (export "arguments") (result i32) (i32.const 16))
    (func (export "nothing") (result i32) (i32.const 48))
    (data (i32.const 16) "\20\00\00\00\02\00\00\00")
    (data (i32.const 32) "\40\00\00\00\02\00\00\00\42\00\00\00\01\00\00\00")
    (data (i32.const 64) "abA"))
  (core instance $i (instantiate $m))
  (func $arguments (result (list string))
    (canon lift (core func $i "arguments") (memory (core memory $i "m"))))
  (func $nothing (result (list (tuple string string)))
    (canon lift (core func $i "nothing") (memory (core memory $i "m"))))
  (instance $e (export "get-arguments" (func $arguments)) (export "get-environment" (func $nothing)))
  (export "wasi:cli/environment@0.2.3" (instance $e)))
