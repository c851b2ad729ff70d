// A statement's parameters before they are sent.

#include <pgtally/db/params.hpp>

#include <boost/test/unit_test.hpp>

#include <sys/mman.h>

#include <array>
#include <chrono>
#include <cstring>
#include <optional>
#include <string>
#include <vector>

BOOST_AUTO_TEST_SUITE(test_params)

using namespace pgtally;

namespace {

template <class... P>
db::params made(P const&... values)
{
    return db::params(std::in_place, values...);
}

std::string text_of(db::params const& values, std::size_t index)
{
    return values.to_wire().values[index];
}

// More bytes than PostgreSQL allows, without using any memory.
class endless {
public:
    endless() : at_(mmap(nullptr, size, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0)) {}
    endless(endless const&) = delete;
    endless& operator=(endless const&) = delete;
    ~endless() { munmap(at_, size); }
    [[nodiscard]] std::string_view text() const { return {static_cast<char const*>(at_), size}; }

private:
    static constexpr std::size_t size = db::params::max_value_bytes + 1;
    void* at_;
};

}  // namespace

BOOST_AUTO_TEST_CASE(numbers_texts_and_their_arrays_are_text_of_unspecified_type)
{
    char buffer[] = "buffer";
    char* const pointer = buffer;
    auto const values =
        made(7, -1.5, true, "literal", std::string("string"), std::string_view("view"), pointer,
             std::vector<int>{1, -2}, std::vector<bool>{true, false}, std::vector<std::string>{"a\"\\", ""},
             std::vector<std::optional<int>>{1, std::nullopt}, db::json("{}"), std::vector<float>());
    std::vector<std::string> const expected{"7",        "-1.5",   "t",      "literal", "string",
                                            "view",     "buffer", "{1,-2}", "{t,f}",   "{\"a\\\"\\\\\",\"\"}",
                                            "{1,NULL}", "{}",     "{}"};
    BOOST_REQUIRE(values.size() == expected.size());
    auto const sent = values.to_wire();
    for (std::size_t i = 0; i < expected.size(); ++i) {
        BOOST_TEST(text_of(values, i) == expected[i]);
        BOOST_TEST(sent.types[i] == 0u);
        BOOST_TEST(sent.formats[i] == 0);
    }
    BOOST_TEST(values.type_key().empty());
    BOOST_TEST(values.problem() == "");
}

BOOST_AUTO_TEST_CASE(typed_parameters_are_binary_null_or_not)
{
    std::array<std::byte, 2> const raw{std::byte{0}, std::byte{1}};
    auto const day = std::chrono::sys_days(std::chrono::days(10'958));
    auto const values = made(day, std::optional<std::chrono::sys_days>(), raw, std::vector<std::byte>(), 1);
    auto const sent = values.to_wire();
    BOOST_TEST(sent.types[0] == 1082u);
    BOOST_TEST(sent.types[1] == 1082u);
    BOOST_TEST(sent.types[2] == 17u);
    BOOST_TEST(sent.types[4] == 0u);
    BOOST_TEST(std::memcmp(sent.values[0], "\0\0\0\1", 4) == 0);
    BOOST_TEST(sent.values[1] == nullptr);
    BOOST_TEST(sent.lengths[2] == 2);
    BOOST_TEST(sent.lengths[3] == 0);
    BOOST_TEST((sent.values[3] != nullptr));
    BOOST_TEST(sent.formats[3] == 1);
    BOOST_TEST(sent.formats[4] == 0);
    BOOST_TEST(values.type_key().size() == 20u);
    BOOST_TEST((values.type_key() != made(raw, day, 1, 1, 1).type_key()));
}

BOOST_AUTO_TEST_CASE(all_nulls_are_null)
{
    auto const values = made(nullptr, std::nullopt, std::optional<int>(), static_cast<char const*>(nullptr),
                             std::optional<char const*>());
    auto const sent = values.to_wire();
    for (auto const* const pointer : sent.values) BOOST_TEST(pointer == nullptr);
    BOOST_TEST(values.size() == 5u);
    BOOST_TEST(values.type_key().empty());
}

BOOST_AUTO_TEST_CASE(pointers_follow_a_move_and_a_copy)
{
    auto first = made("short", 1);  // within std::string's own memory
    auto const copy = first;
    auto const moved = std::move(first);
    BOOST_TEST(text_of(copy, 0) == "short");
    BOOST_TEST(text_of(moved, 0) == "short");
    BOOST_TEST(text_of(moved, 1) == "1");
}

BOOST_AUTO_TEST_CASE(first_problem_is_named)
{
    std::string const with_nul("a\0b", 3);
    BOOST_TEST(made("x", with_nul, with_nul).problem() == "parameter $2 holds a NUL character");
    BOOST_TEST(made(std::vector<std::string>{"x", with_nul}).problem() == "parameter $1 holds a NUL character");
    BOOST_TEST(made(db::json(with_nul)).problem() == "parameter $1 holds a NUL character");
    BOOST_TEST(made(std::vector<std::byte>(3)).problem() == "");
}

BOOST_AUTO_TEST_CASE(value_longer_than_postgresql_takes_is_refused_and_not_copied)
{
    endless const much;
    auto const values = made(1, much.text());
    BOOST_TEST(values.problem() == "parameter $2 is longer than PostgreSQL allows");
    BOOST_TEST(values.bytes() < 100u);
    auto const as_bytes = made(std::as_bytes(std::span(much.text())));
    BOOST_TEST(as_bytes.problem() == "parameter $1 is longer than PostgreSQL allows");
    BOOST_TEST(as_bytes.bytes() == 0u);
}

BOOST_AUTO_TEST_SUITE_END()
