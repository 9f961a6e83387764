(module
  (func $print (import "spectest" "pr1int"))
  (start $pfffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffrant)
)