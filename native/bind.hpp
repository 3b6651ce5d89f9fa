#pragma once
#include <napi.h>

#include <functional>
#include <string>
#include <vector>

#include "paths.hpp"

namespace luthier {

template <class T>
inline constexpr napi_typedarray_type element_type = napi_uint8_array;
template <>
inline constexpr napi_typedarray_type element_type<std::int8_t> = napi_int8_array;
template <>
inline constexpr napi_typedarray_type element_type<std::int32_t> = napi_int32_array;
template <>
inline constexpr napi_typedarray_type element_type<std::uint32_t> = napi_uint32_array;
template <>
inline constexpr napi_typedarray_type element_type<double> = napi_float64_array;
template <>
inline constexpr napi_typedarray_type element_type<float> = napi_float32_array;

/// The arguments of one call from JavaScript, taken in order. Every length is checked here, before any thread starts:
/// a wrong one throws in JavaScript and nothing is ever read out of bounds.
class Arguments {
 public:
  explicit Arguments(const Napi::CallbackInfo& info) : info_(info) {}

  /// A typed array of exactly `length` elements. `what` names it in the error.
  template <class T>
  T* array(std::size_t length, const char* what) {
    return checked<T>(info_[next_++], length, what);
  }

  /// An array of typed arrays of exactly `length` elements each.
  template <class T>
  std::vector<T*> arrays(std::size_t length, const char* what) {
    const Napi::Value value = info_[next_++];
    if (!value.IsArray()) throw Napi::TypeError::New(info_.Env(), std::string(what) + " is not an array");
    std::vector<T*> found;
    for (std::uint32_t i = 0; i < value.As<Napi::Array>().Length(); ++i) {
      found.push_back(checked<T>(value.As<Napi::Array>().Get(i), length, what));
    }
    return found;
  }

  /// A typed array whose length the caller needs.
  template <class T>
  T* array(const char* what, std::size_t& length) {
    Napi::TypedArray view = typed<T>(info_[next_++], what);
    length = view.ElementLength();
    return data<T>(view);
  }

  /// A whole number in [low, high].
  std::size_t count(const char* what, std::size_t low, std::size_t high) {
    const Napi::Value value = info_[next_++];
    const double number = value.IsNumber() ? value.As<Napi::Number>().DoubleValue() : -1;
    if (!(number >= static_cast<double>(low) && number <= static_cast<double>(high)) ||
        number != static_cast<double>(static_cast<std::size_t>(number))) {
      throw Napi::RangeError::New(info_.Env(), std::string(what) + " is out of range");
    }
    return static_cast<std::size_t>(number);
  }

  bool flag() { return info_[next_++].ToBoolean(); }
  std::string text() { return info_[next_++].ToString(); }

  /// The path's functions; the first argument of every call that depends on the instruction set.
  const Path& path() {
    const std::string name = text();
    const Path* found = find_path(name);
    if (!found) throw Napi::Error::New(info_.Env(), "no kernel path '" + name + "' on this machine");
    return *found;
  }

  unsigned threads() { return static_cast<unsigned>(count("threads", 1, 1024)); }

 private:
  template <class T>
  T* checked(const Napi::Value& value, std::size_t length, const char* what) {
    Napi::TypedArray view = typed<T>(value, what);
    if (view.ElementLength() != length) {
      throw Napi::RangeError::New(info_.Env(), std::string(what) + " has " + std::to_string(view.ElementLength()) +
                                                   " elements, needed are " + std::to_string(length));
    }
    return data<T>(view);
  }

  template <class T>
  Napi::TypedArray typed(const Napi::Value& value, const char* what) {
    if (!value.IsTypedArray() || value.As<Napi::TypedArray>().TypedArrayType() != element_type<T>) {
      throw Napi::TypeError::New(info_.Env(), std::string(what) + " is not a typed array of the right kind");
    }
    return value.As<Napi::TypedArray>();
  }

  template <class T>
  static T* data(Napi::TypedArray view) {
    return reinterpret_cast<T*>(static_cast<std::uint8_t*>(view.ArrayBuffer().Data()) + view.ByteOffset());
  }

  const Napi::CallbackInfo& info_;
  std::size_t next_ = 0;
};

/// Runs `work` off the JavaScript thread and returns a promise. All arguments of the call are kept alive until then.
/// `brief` work, that ends within about a millisecond, is done at once: to wake two threads takes longer.
Napi::Value run_async(const Napi::CallbackInfo& info, std::function<void()> work, bool brief = false);

}  // namespace luthier
