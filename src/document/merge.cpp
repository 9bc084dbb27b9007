// SPDX-License-Identifier: Apache-2.0
#include "document/merge.h"

#include <unordered_map>
#include <vector>

#include "document/encode.h"

namespace ullage::document {
namespace {

// The members of a patch by name, and which of them were met in the target.
class Patch {
 public:
  explicit Patch(Value patch) {
    members_.reserve(patch.count());
    for (Items item(patch); item.next();) members_.push_back({item.key(), item.value(), false});
    if (members_.size() <= kSearched) return;
    for (std::size_t i = 0; i < members_.size(); ++i) places_[members_[i].name] = i;
  }

  struct Member {
    std::string_view name;
    Value value;
    bool met;
  };
  Member* find(std::string_view name) {
    if (members_.size() > kSearched) {
      const auto found = places_.find(name);
      return found == places_.end() ? nullptr : &members_[found->second];
    }
    for (Member& member : members_) {
      if (member.name == name) return &member;
    }
    return nullptr;
  }
  const std::vector<Member>& members() const { return members_; }

 private:
  static constexpr std::size_t kSearched = 8;  // so many are searched one by one
  std::vector<Member> members_;
  std::unordered_map<std::string_view, std::size_t> places_;
};

}  // namespace

void merge(std::string& out, std::optional<Value> target, Value patch) {
  if (!patch.is_object()) {
    out.append(patch.encoded());
    return;
  }
  const std::size_t begun = begin_container(out);
  std::size_t count = 0;
  Patch changes(patch);
  if (target && target->is_object()) {
    for (Items item(*target); item.next();) {
      Patch::Member* const change = changes.find(item.key());
      if (change == nullptr) {
        out.append(item.entry(), item.end());
        ++count;
        continue;
      }
      change->met = true;
      if (change->value.type() == Type::kNull) continue;
      put_string(out, item.key());
      merge(out, item.value(), change->value);
      ++count;
    }
  }
  for (const Patch::Member& change : changes.members()) {
    if (change.met || change.value.type() == Type::kNull) continue;
    put_string(out, change.name);
    merge(out, std::nullopt, change.value);
    ++count;
  }
  end_container(out, begun, tag::kObject, count);
}

}  // namespace ullage::document
