#include <pgtally/cache/ranking.hpp>

#include <boost/assert.hpp>

namespace pgtally::cache {

void ranking::insert(counter_table const& table, slot s, std::int64_t value)
{
    BOOST_ASSERT(!contains(s));
    while (chunks_.size() <= s / nodes_per_chunk) chunks_.push_back(std::make_unique<row_node[]>(nodes_per_chunk));
    put(table, s, value);
}

// Adds the row as a leaf, then lifts it to its height.
void ranking::put(counter_table const& table, slot s, std::int64_t value) noexcept
{
    node(s) = {value, none, none, none, 1};
    side towards = &row_node::left;
    slot parent = none;
    for (auto at = root_; at != none; at = node(at).*towards) {
        ++node(at).size;
        parent = at;
        towards = before(table, s, at) ? &row_node::left : &row_node::right;
    }
    node(s).parent = parent;
    if (parent == none) root_ = s;
    else node(parent).*towards = s;
    auto const own = height(s);
    while (node(s).parent != none && height(node(s).parent) < own) rotate_up(s);
}

// Lets the row sink until it is a leaf, then removes it.
void ranking::erase(slot s) noexcept
{
    BOOST_ASSERT(contains(s));
    for (auto const& here = node(s); here.left != none || here.right != none;) {
        bool const left = here.right == none || (here.left != none && height(here.left) > height(here.right));
        rotate_up(left ? here.left : here.right);
    }
    auto const parent = node(s).parent;
    replace_child(parent, s, none);
    for (auto up = parent; up != none; up = node(up).parent) --node(up).size;
    node(s) = {};
}

void ranking::change(counter_table const& table, slot s, std::int64_t value) noexcept
{
    BOOST_ASSERT(contains(s));
    auto const above = beside(s, &row_node::left, &row_node::right);
    auto const below = beside(s, &row_node::right, &row_node::left);
    node(s).value = value;
    bool const stays = (above == none || before(table, above, s)) && (below == none || before(table, s, below));
    if (stays) return;
    erase(s);
    put(table, s, value);
}

std::size_t ranking::place(slot s) const noexcept
{
    std::size_t out = size_of(node(s).left);
    for (auto up = node(s).parent; up != none; s = up, up = node(up).parent) {
        if (node(up).right == s) out += size_of(node(up).left) + 1;
    }
    return out;
}

std::size_t ranking::read(std::size_t place, std::span<slot> out) const noexcept
{
    std::size_t count = 0;
    for (auto s = at(place); s != none && count < out.size(); s = beside(s, &row_node::right, &row_node::left)) {
        out[count++] = s;
    }
    return count;
}

std::size_t ranking::memory_bytes() const noexcept
{
    return sizeof *this + chunks_.size() * nodes_per_chunk * sizeof(row_node) + chunks_.capacity() * sizeof(chunks_[0]);
}

bool ranking::before(counter_table const& table, slot a, slot b) const noexcept
{
    if (node(a).value != node(b).value) return node(a).value > node(b).value;
    auto const key_a = table.key_of(a), key_b = table.key_of(b);
    return is_number(table.kind()) ? key_a.number < key_b.number : key_a.text < key_b.text;
}

ranking::slot ranking::at(std::size_t place) const noexcept
{
    auto s = place < size() ? root_ : none;
    while (s != none) {
        auto const left = size_of(node(s).left);
        if (place == left) break;
        bool const before = place < left;
        if (!before) place -= left + 1;
        s = before ? node(s).left : node(s).right;
    }
    return s;
}

// The neighbour on the near side: the farthest node to the other side below that child, or the first ancestor that has
// this node on its far side.
ranking::slot ranking::beside(slot s, side near, side far) const noexcept
{
    if (auto below = node(s).*near; below != none) {
        while (node(below).*far != none) below = node(below).*far;
        return below;
    }
    auto up = node(s).parent;
    while (up != none && node(up).*near == s) s = std::exchange(up, node(up).parent);
    return up;
}

// The node and its parent change places; what stands between them changes sides.
void ranking::rotate_up(slot s) noexcept
{
    auto const parent = node(s).parent;
    auto &low = node(parent), &high = node(s);
    bool const left = low.left == s;
    auto const from = left ? &row_node::left : &row_node::right, to = left ? &row_node::right : &row_node::left;
    auto const between = high.*to;
    replace_child(low.parent, parent, s);
    high.parent = std::exchange(low.parent, s);
    high.*to = parent;
    low.*from = between;
    if (between != none) node(between).parent = parent;
    high.size = low.size;
    low.size = 1 + size_of(low.left) + size_of(low.right);
}

void ranking::replace_child(slot parent, slot old, slot by) noexcept
{
    if (parent == none) root_ = by;
    else if (node(parent).left == old) node(parent).left = by;
    else node(parent).right = by;
}

}  // namespace pgtally::cache
