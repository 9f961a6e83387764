// Lua as Debian patches it asks for the name of the machine.
#define DEB_HOST_MULTIARCH "wasm32-wasi"
