 (func $pr (import 
