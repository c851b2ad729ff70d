#include <pgtally/server/http/file_body.hpp>
#include <pgtally/server/http/web_folder.hpp>

#include <boost/test/unit_test.hpp>

#include <cstdlib>
#include <fstream>

namespace pgtally::server {

namespace fs = std::filesystem;

namespace {

struct web_folder_fixture {
    web_folder_fixture()
    {
        std::string name = "/tmp/pgtally-web-XXXXXX";
        BOOST_TEST_REQUIRE(::mkdtemp(name.data()) != nullptr);
        folder = name;
    }
    ~web_folder_fixture() { fs::remove_all(folder); }

    void write(char const* name, std::size_t size) { std::ofstream{folder / name} << std::string(size, 'x'); }

    fs::path folder;
};

file_body& source_of(response const& answer)
{
    return dynamic_cast<file_body&>(*answer.streamed);
}

}  // namespace

BOOST_FIXTURE_TEST_SUITE(test_web_folder, web_folder_fixture)

BOOST_AUTO_TEST_CASE(a_small_file_is_whole_and_a_large_one_comes_in_pieces)
{
    web_folder const web{folder.string(), 25, 10};
    write("small.txt", 10);
    write("large.txt", 25);
    auto const small = web.find({"small.txt"}, {});
    BOOST_TEST_REQUIRE(small.has_value());
    BOOST_TEST(small->body == std::string(10, 'x'));
    BOOST_TEST(small->streamed.get() == nullptr);

    auto const large = web.find({"large.txt"}, {});
    BOOST_TEST_REQUIRE(large.has_value());
    BOOST_TEST(large->body.empty());
    BOOST_TEST(large->content_type == small->content_type);
    auto& body = source_of(*large);
    BOOST_TEST(body.size().value() == 25U);
    for (std::size_t const wanted : {10U, 10U, 5U, 0U}) BOOST_TEST(body.read() == std::string(wanted, 'x'));
}

BOOST_AUTO_TEST_CASE(a_file_that_changes_while_it_is_read_gives_no_more_than_its_size)
{
    web_folder const web{folder.string(), 100, 10};
    write("shrinks", 25);
    write("grows", 25);
    auto const shrinks = web.find({"shrinks"}, {}), grows = web.find({"grows"}, {});
    fs::resize_file(folder / "shrinks", 12);
    fs::resize_file(folder / "grows", 50);
    auto const all_of = [](body_source& of) {
        auto& body = dynamic_cast<file_body&>(of);
        std::size_t bytes = 0;
        while (auto const got = body.read().size()) bytes += got;
        return bytes;
    };
    BOOST_TEST(all_of(*shrinks->streamed) == 12U);
    BOOST_TEST(all_of(*grows->streamed) == 25U);
}

BOOST_AUTO_TEST_CASE(contains_says_what_find_finds)
{
    web_folder const web{folder.string(), 25, 10};
    write("file", 5);
    write("too_large", 26);
    write(".hidden", 5);
    fs::create_directory(folder / "sub");
    write("sub/index.html", 5);
    fs::create_symlink("/etc/hostname", folder / "outside");
    using path = std::vector<std::string>;
    for (auto const& there : {path{"file"}, path{"sub", ""}, path{"sub", "index.html"}, path{""}, path{"pgtally.js"}}) {
        BOOST_TEST(web.contains(there), there.front());
        BOOST_TEST(web.find(there, {}).has_value(), there.front());
    }
    for (auto const& absent : {path{"too_large"}, path{".hidden"}, path{"sub"}, path{"outside"}, path{"..", "file"},
                               path{"nope"}, path{"file", ""}, path{std::string{"file\0", 5}}}) {
        BOOST_TEST(!web.contains(absent), absent.front());
        BOOST_TEST(!web.find(absent, {}).has_value(), absent.front());
    }
}

BOOST_AUTO_TEST_CASE(files_for_everybody_are_the_built_in_ones)
{
    web_folder const web{folder.string(), 25, 10};
    for (auto const* const name : {"pgtally.js", "openapi.json", "asyncapi.json", "icon.svg"}) write(name, 5);
    for (auto const* const name : {"pgtally.js", "openapi.json", "asyncapi.json"}) {
        BOOST_TEST(is_for_everybody(name), name);
        BOOST_TEST(web.find({name}, {})->body == find_web_file(name)->content, name);
    }
    BOOST_TEST(!is_for_everybody("icon.svg"));
    BOOST_TEST(web.find({"icon.svg"}, {})->body == "xxxxx");
}

std::string field_of(response const& answer, std::string_view name)
{
    std::string out;
    for (auto const& [known, value] : answer.fields) {
        if (known == name) out += value;
    }
    return out;
}

BOOST_AUTO_TEST_CASE(a_built_in_file_is_compressed_for_those_who_take_that_and_has_a_tag_in_each_form)
{
    web_folder const web{{}, 25, 10};
    for (auto const* const name : {"pgtally.js", "page.css", "index.html"}) {
        auto const plain = web.find({name}, {}), compressed = web.find({name}, {"br, gzip", {}});
        BOOST_TEST_REQUIRE((plain && compressed), name);
        BOOST_TEST(field_of(*plain, "Content-Encoding") == "");
        BOOST_TEST(field_of(*compressed, "Content-Encoding") == "gzip");
        BOOST_TEST(compressed->body.starts_with("\x1f\x8b"));
        BOOST_TEST(compressed->body.size() < plain->body.size());
        BOOST_TEST(field_of(*compressed, "Vary") == "Accept-Encoding");
        BOOST_TEST(field_of(*plain, "Vary") == "Accept-Encoding");
        BOOST_TEST(field_of(*plain, "ETag") != field_of(*compressed, "ETag"));
    }
    auto const script = web.find({"pgtally.js"}, {}), page = web.find({""}, {});
    BOOST_TEST(field_of(*script, "ETag") != field_of(*page, "ETag"));
}

BOOST_AUTO_TEST_CASE(a_built_in_file_that_the_client_has_is_not_sent_again)
{
    web_folder const web{{}, 25, 10};
    auto const tag = field_of(*web.find({"pgtally.js"}, {"gzip", {}}), "ETag");
    for (auto const& field : {tag, "\"other\", W/" + tag, std::string{"*"}}) {
        auto const again = web.find({"pgtally.js"}, {"gzip", field});
        BOOST_TEST(again->status == 304U, field);
        BOOST_TEST(again->body.empty());
        BOOST_TEST(field_of(*again, "ETag") == tag);
        BOOST_TEST(field_of(*again, "Content-Encoding") == "");
    }
    for (auto const& [encoding, field] :
         {std::pair{"gzip", std::string{"\"other\""}}, {"gzip", tag.substr(1)}, {"", tag}})
        BOOST_TEST(web.find({"pgtally.js"}, {encoding, field})->status == 200U, field);
}

BOOST_AUTO_TEST_CASE(the_clients_script_is_small)
{
    web_folder const web{{}, 25, 10};
    BOOST_TEST(web.find({"pgtally.js"}, {"gzip", {}})->body.size() < 10'240U);
}

BOOST_AUTO_TEST_CASE(no_file_of_the_folder_takes_the_place_of_the_clients_script)
{
    web_folder const web{folder.string(), 25, 10};
    write("pgtally.js", 5);
    write("page.css", 5);
    BOOST_TEST(web.find({"pgtally.js"}, {})->body.size() > 5U);
    BOOST_TEST(web.find({"page.css"}, {})->body.size() == 5U);
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace pgtally::server
