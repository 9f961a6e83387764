// What lies behind a guest's handles: objects that are counted, as handles and other objects refer to them. The store's
// thread.
#pragma once

#include <utility>

#include "base/result.h"
#include "component/host_call.h"

namespace berth::wasi_p2 {

class Resource {
 public:
  Resource() = default;
  Resource(const Resource&) = delete;
  virtual ~Resource() = default;

  void add_reference() { ++references_; }
  void release() {
    if (--references_ == 0) delete this;
  }

 private:
  friend class HeldResources;
  u32 references_ = 0;
  // Among those that a handle refers to.
  Resource* previous_ = nullptr;
  Resource* next_ = nullptr;
};

template <typename T>
class Ref {
 public:
  Ref() = default;
  explicit Ref(T* object) : object_(object) {
    if (object_ != nullptr) object_->add_reference();
  }
  Ref(const Ref& other) : Ref(other.object_) {}
  Ref(Ref&& other) noexcept : object_(std::exchange(other.object_, nullptr)) {}
  Ref& operator=(Ref other) noexcept {
    std::swap(object_, other.object_);
    return *this;
  }
  ~Ref() {
    if (object_ != nullptr) object_->release();
  }
  T* get() const { return object_; }
  T* operator->() const { return object_; }
  T& operator*() const { return *object_; }
  explicit operator bool() const { return object_ != nullptr; }

 private:
  T* object_ = nullptr;
};

template <typename T, typename... P>
Ref<T> make(P&&... arguments) {
  return Ref<T>(new T(std::forward<P>(arguments)...));
}

// The resources that handles refer to, each by one. What is left at the end goes then.
class HeldResources {
 public:
  HeldResources() { head_.next_ = head_.previous_ = &head_; }
  ~HeldResources() {
    while (head_.next_ != &head_) drop(*head_.next_);
  }
  HeldResources(const HeldResources&) = delete;

  // For the guest, which gets the one handle that there is of an object.
  template <typename T>
  component::Own<T> give(const Ref<T>& object) {
    add(*object);
    return {object.get()};
  }
  void drop(Resource& r) {
    r.next_->previous_ = r.previous_;
    r.previous_->next_ = r.next_;
    r.next_ = r.previous_ = nullptr;
    r.release();
  }

 private:
  void add(Resource& r) {
    CHECK(r.next_ == nullptr);
    r.add_reference();
    r.next_ = &head_;
    r.previous_ = head_.previous_;
    head_.previous_->next_ = &r;
    head_.previous_ = &r;
  }
  Resource head_;
};

}  // namespace berth::wasi_p2
