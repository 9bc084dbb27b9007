// SPDX-License-Identifier: Apache-2.0
//
// Changes of documents, beside the same changes of a tree of another library.
#include "document/edits.h"

#include <gtest/gtest.h>

#include <nlohmann/json.hpp>
#include <random>

#include "document/encode.h"
#include "document/merge.h"
#include "document/parse.h"
#include "document/print.h"

namespace ullage::document {
namespace {

using Tree = nlohmann::ordered_json;

std::string encoded(const std::string& text) {
  std::string bytes;
  const auto parsed = parse(text, bytes);
  EXPECT_TRUE(parsed.ok()) << text << ": " << (parsed.ok() ? "" : parsed.error().message);
  return bytes;
}
std::string printed(std::string_view bytes) {
  std::string text;
  print(text, Value(bytes.data()));
  return text;
}

class Random {
 public:
  explicit Random(unsigned seed) : engine_(seed) {}
  std::size_t below(std::size_t bound) { return engine_() % bound; }

  Tree tree(unsigned depth) {
    switch (below(depth == 0 ? 6 : 9)) {
      case 0:
        return nullptr;
      case 1:
        return below(2) == 0;
      case 2:
        return static_cast<std::int64_t>(engine_()) >> below(64);
      case 3:
        return static_cast<double>(static_cast<std::int32_t>(engine_())) / 64;
      case 4:
      case 5:
        return std::string(below(4) == 0 ? below(300) : below(20),
                           static_cast<char>('a' + below(26)));
      case 6: {
        Tree array = Tree::array();
        for (std::size_t n = below(below(8) == 0 ? 200 : 6); n-- > 0;)
          array.push_back(tree(depth - 1));
        return array;
      }
      default: {
        Tree object = Tree::object();
        for (std::size_t n = below(7); n-- > 0;)
          object["k" + std::to_string(below(12))] = tree(depth - 1);
        return object;
      }
    }
  }

 private:
  std::mt19937_64 engine_;
};

// A path to any value of `tree`, written as one.
std::string any_path(Random& random, const Tree& tree, Tree::json_pointer& pointer) {
  std::string path = "$";
  const Tree* at = &tree;
  while (at->is_structured() && !at->empty() && random.below(4) != 0) {
    const std::size_t index = random.below(at->size());
    if (at->is_array()) {
      path += "[" + std::to_string(index) + "]";
      pointer /= index;
      at = &(*at)[index];
    } else {
      const auto item = std::next(at->begin(), static_cast<std::ptrdiff_t>(index));
      path += "['" + item.key() + "']";
      pointer /= item.key();
      at = &*item;
    }
  }
  return path;
}

void erase_at(Tree& tree, const Tree::json_pointer& pointer) {
  Tree& parent = tree[pointer.parent_pointer()];
  if (parent.is_array()) {
    parent.erase(std::stoul(pointer.back()));
  } else {
    parent.erase(pointer.back());
  }
}

TEST(Edits, AgreeWithATreeWhateverIsChanged) {
  for (unsigned seed = 1; seed <= 300; ++seed) {
    Random random(seed);
    Tree tree = random.tree(5);
    std::string bytes = encoded(tree.dump());
    for (int step = 0; step < 20; ++step) {
      Tree::json_pointer pointer;
      const std::string path = any_path(random, tree, pointer);
      Selection found = select(*Path::compile(path), Value(bytes.data()));
      ASSERT_EQ(found.matches.size(), 1u) << path << " in " << tree.dump();
      found.unify();
      const std::uint32_t node = found.matches[0];
      const Value value = found.value(node);
      Edits edits(found);
      const Tree fresh = random.tree(2);
      const std::size_t what = random.below(4);
      if (what == 0 && !pointer.empty()) {
        edits.remove(node);
        erase_at(tree, pointer);
      } else if (what == 1 && value.is_array()) {
        const std::size_t place = random.below(value.count() + 1);
        std::size_t offset = found.nodes[node].offset + value.bytes();
        for (Items item(value); item.next();) {
          if (item.index() == place) {
            offset = static_cast<std::size_t>(item.entry() - bytes.data());
            break;
          }
        }
        edits.insert(node, offset, encoded(fresh.dump()), 1);
        Tree& array = tree[pointer];
        array.insert(array.begin() + static_cast<std::ptrdiff_t>(place), fresh);
      } else if (what == 2 && value.is_object()) {
        std::string member;
        put_string(member, "new" + std::to_string(seed * 100 + static_cast<unsigned>(step)));
        edits.insert(node, found.nodes[node].offset + value.bytes(), member + encoded(fresh.dump()),
                     1);
        tree[pointer]["new" + std::to_string(seed * 100 + static_cast<unsigned>(step))] = fresh;
      } else {
        edits.replace(node, encoded(fresh.dump()));
        tree[pointer] = fresh;
      }
      edits.finish();
      const std::string after = edits.applied_to(bytes);
      ASSERT_EQ(after.size(), edits.bytes_after());
      std::string in_place = bytes;
      in_place.resize(std::max(bytes.size(), after.size()));
      edits.apply(in_place.data());
      in_place.resize(after.size());
      ASSERT_EQ(in_place, after) << "seed " << seed;
      bytes = after;
      ASSERT_TRUE(well_formed(bytes));
      ASSERT_EQ(Tree::parse(printed(bytes)), tree) << "seed " << seed << " step " << step;
      ASSERT_EQ(encoded(printed(bytes)), bytes) << "the form is canonical; seed " << seed;
    }
  }
}

TEST(Edits, ManyAtOnceNestedAndSideBySideComeOutRight) {
  // Appends to every array, deepest first or not: the ends of some are the same place.
  const std::string before = encoded("[[1,[2]],[[]],[3,[4,[5]]]]");
  Selection found = select(*Path::compile("$..[?(@[0] || @ == 0)]"), Value(before.data()));
  found = select(*Path::compile("$..*"), Value(before.data()));
  found.unify();
  Edits edits(found);
  for (const std::uint32_t match : found.matches) {
    const Value value = found.value(match);
    if (!value.is_array()) continue;
    edits.insert(match, found.nodes[match].offset + value.bytes(), encoded("9"), 1);
  }
  edits.finish();
  const std::string expected = "[[1,[2,9],9],[[9],9],[3,[4,[5,9],9],9]]";
  EXPECT_EQ(printed(edits.applied_to(before)), expected);
  std::string in_place = before + std::string(100, '?');
  edits.apply(in_place.data());
  EXPECT_EQ(printed(in_place), expected);
}

TEST(Edits, SomeThatGrowBesideSomeThatShrinkMoveEverythingRight) {
  for (unsigned seed = 1; seed <= 200; ++seed) {
    Random random(seed);
    Tree tree = Tree::array();
    for (int i = 0; i < 30; ++i) tree.push_back(random.tree(2));
    const std::string before = encoded(tree.dump());
    Selection found = select(*Path::compile("$[*]"), Value(before.data()));
    found.unify();
    Edits edits(found);
    for (std::size_t i = 30; i-- > 0;) {
      const std::size_t what = random.below(3);
      if (what == 0) {
        edits.remove(found.matches[i]);
        tree.erase(i);
      } else if (what == 1) {
        tree[i] = random.tree(2);
        edits.replace(found.matches[i], encoded(tree[i].dump()));
      }
    }
    edits.finish();
    std::string after = before;
    after.resize(std::max(before.size(), edits.bytes_after()));
    edits.apply(after.data());
    after.resize(edits.bytes_after());
    ASSERT_EQ(after, encoded(tree.dump())) << "seed " << seed;
  }
}

TEST(Merge, IsThatOfTheStandard) {
  for (unsigned seed = 1; seed <= 2000; ++seed) {
    Random random(seed);
    Tree target = random.tree(4);
    const Tree patch = random.tree(3);
    const std::string a = encoded(target.dump()), b = encoded(patch.dump());
    std::string merged;
    merge(merged, Value(a.data()), Value(b.data()));
    target.merge_patch(patch);
    ASSERT_EQ(Tree::parse(printed(merged)), target) << "seed " << seed << " " << patch.dump();
    ASSERT_EQ(encoded(printed(merged)), merged);
  }
}

}  // namespace
}  // namespace ullage::document
