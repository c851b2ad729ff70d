#include "../../tools/lab/machine.hpp"
#include "../../tools/lab/report_file.hpp"
#include "../../tools/lab/svg.hpp"
#include "../../tools/lab/whole.hpp"

#include <boost/json/serialize.hpp>
#include <boost/test/unit_test.hpp>

#include <sys/stat.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <sstream>
#include <stdexcept>
#include <string>

namespace {

using namespace pgtally::lab;
namespace fs = std::filesystem;

chart bars_of(std::vector<double> const& values)
{
    chart made{"title", "ms"};
    for (auto const value : values) made.bars.push_back({"x", value, "text"});
    return made;
}

std::size_t count_of(std::string const& what, std::string const& in)
{
    std::size_t found = 0;
    for (auto at = in.find(what); at != std::string::npos; at = in.find(what, at + 1)) ++found;
    return found;
}

report small_report(std::string const& evil)
{
    section one{evil, table({{evil, "name"}, {"n", "n", align::right}})};
    one.data.add({words(evil), number(7)});
    one.says.push_back(evil);
    chart drawn{evil, evil};
    drawn.bars = {{evil, 7, evil}};
    drawn.series = {evil};
    one.charts.push_back(drawn);
    one.steps = {{prompt::a, step::kind::types, evil}, {prompt::a, step::kind::answered, evil}};
    report made{"isolation --walk"};
    made.sections.push_back(std::move(one));
    return made;
}

std::string page_of(whole const& found)
{
    std::ostringstream out;
    write_html(out, found);
    return out.str();
}

struct folder {
    folder()
    {
        std::string name = (fs::temp_directory_path() / "pgtally-lab.XXXXXX").string();
        path = ::mkdtemp(name.data());
    }
    ~folder() { fs::remove_all(path); }

    [[nodiscard]] std::size_t files() const
    {
        return static_cast<std::size_t>(std::distance(fs::directory_iterator(path), fs::directory_iterator()));
    }

    fs::path path;
};

std::string content(fs::path const& of)
{
    std::ifstream in(of);
    return {std::istreambuf_iterator<char>(in), std::istreambuf_iterator<char>()};
}

std::string complaint(std::string const& path)
{
    try {
        report_file const file(path);
        return {};
    } catch (std::runtime_error const& failure) {
        return failure.what();
    }
}

}  // namespace

BOOST_AUTO_TEST_SUITE(test_lab_report)

BOOST_AUTO_TEST_CASE(axis_of_like_values_begins_at_0)
{
    auto const along = axis_for(bars_of({10, 37, 0}));
    BOOST_CHECK(along.by == scale::linear);
    BOOST_TEST(along.to == 40.0);
    BOOST_TEST(along.marks.size() == 5U);
    BOOST_TEST(along.marks.front().text == "0");
    BOOST_TEST(along.marks.back().text == "40");
    BOOST_TEST(along.place_of(10) == 0.25);
    BOOST_TEST(along.place_of(0) == 0.0);
}

BOOST_AUTO_TEST_CASE(axis_of_wide_values_has_powers_of_ten)
{
    auto const along = axis_for(bars_of({0.2, 900, 0}));
    BOOST_CHECK(along.by == scale::logarithmic);
    BOOST_TEST(along.from == 0.1);
    BOOST_TEST(along.to == 1000.0);
    BOOST_TEST(along.marks.size() == 5U);
    BOOST_TEST(along.marks.front().text == "0.1");
    BOOST_TEST(along.marks.back().text == "1,000");
    BOOST_TEST(along.place_of(0) == 0.0);
    BOOST_TEST(along.place_of(10) == 0.5, boost::test_tools::tolerance(1e-9));
    // One that is a power of ten itself has a bar that can be seen.
    BOOST_TEST(axis_for(bars_of({1, 1000})).from == 0.1);
}

BOOST_AUTO_TEST_CASE(scale_changes_beyond_a_factor_of_50)
{
    BOOST_CHECK(scale_for(bars_of({1, 50})) == scale::linear);
    BOOST_CHECK(scale_for(bars_of({1, 51})) == scale::logarithmic);
    BOOST_CHECK(scale_for(bars_of({0, 51})) == scale::linear);
}

BOOST_AUTO_TEST_CASE(axis_of_nothing_is_one_that_can_be_drawn)
{
    for (auto const& values : std::vector<std::vector<double>>{{}, {0}, {0, 0}}) {
        auto const along = axis_for(bars_of(values));
        BOOST_TEST(along.to == 1.0);
        BOOST_TEST(along.place_of(0) == 0.0);
    }
}

BOOST_AUTO_TEST_CASE(chart_takes_numbers_and_leaves_out_what_is_none)
{
    table some(std::vector<column>{{"way", "way"}, {"n", "n"}});
    some.add({words("a"), decimal(1.5, 1)});
    some.add({words("b"), nothing()});
    some.add({words("c"), number(-3)});
    auto const made = chart_of(some, "way", "n", "title", "unit");
    BOOST_TEST(made.bars.size() == 2U);
    BOOST_TEST(made.bars[0].label == "a");
    BOOST_TEST(made.bars[0].value == 1.5);
    BOOST_TEST(made.bars[1].value == 0.0);
    BOOST_TEST(made.bars[1].text == "-3");
    BOOST_CHECK_THROW(static_cast<void>(chart_of(some, "way", "none", "", "")), std::invalid_argument);
}

BOOST_AUTO_TEST_CASE(text_is_escaped)
{
    BOOST_TEST(escaped("a<b>&\"'") == "a&lt;b&gt;&amp;&quot;&#39;");
    BOOST_TEST(escaped(std::string_view("a\0\x1b\x7f\n", 5)) == "a\xEF\xBF\xBD\xEF\xBF\xBD\xEF\xBF\xBD\n");
    BOOST_TEST(escaped("caf\xC3\xA9") == "caf\xC3\xA9");
}

BOOST_AUTO_TEST_CASE(page_escapes_whatever_it_is_given)
{
    std::string const evil = "<script>alert('&')</script>";
    whole found;
    found.begun = evil;
    found.machine.push_back({"cpu", evil, words(evil)});
    found.reports.push_back(small_report(evil));
    found.reports.back().failure = evil;
    auto const page = page_of(found);
    BOOST_TEST(page.find("<script") == std::string::npos);
    BOOST_TEST(page.find("alert('") == std::string::npos);
    BOOST_TEST(count_of("&lt;script&gt;", page) >= 12U);
    BOOST_TEST(page.find("<section id=\"isolation-walk\">") != std::string::npos);
    BOOST_TEST(page.find("href=\"#isolation-walk\"") != std::string::npos);
    BOOST_TEST(count_of("<svg", page) == 2U);
    BOOST_TEST(count_of("<svg", page) == count_of("</svg>", page));
}

BOOST_AUTO_TEST_CASE(walk_is_drawn_with_its_wait_and_its_refusal)
{
    std::ostringstream out;
    write_svg(out, {{prompt::a, step::kind::types, "update x"},
                    {prompt::a, step::kind::answered, "UPDATE 1"},
                    {prompt::b, step::kind::types, "insert y"},
                    {prompt::b, step::kind::waits, "waits"},
                    {prompt::a, step::kind::types, "commit"},
                    {prompt::a, step::kind::answered, "COMMIT"},
                    {prompt::b, step::kind::answered, "ERROR 23505: no"}});
    auto const drawn = out.str();
    BOOST_TEST(count_of("class=\"series0\"", drawn) == 2U);
    BOOST_TEST(count_of("class=\"waits\"", drawn) == 1U);
    BOOST_TEST(count_of("class=\"refused\"", drawn) == 1U);
    BOOST_TEST(count_of(">insert<", drawn) == 1U);
}

BOOST_AUTO_TEST_CASE(whole_has_failed_if_one_has)
{
    whole found;
    found.reports.push_back(small_report("a"));
    BOOST_TEST(!found.failed());
    found.reports.push_back(report{"reading"});
    found.reports.back().failure = "it broke";
    BOOST_TEST(found.failed());
    auto const text = boost::json::serialize(to_json(found));
    BOOST_TEST(count_of("\"failure\"", text) == 1U);
    std::ostringstream out;
    print_text(out, found);
    BOOST_TEST(out.str().find("reading failed: it broke\n") != std::string::npos);
}

BOOST_AUTO_TEST_CASE(machine_is_read_from_proc)
{
    BOOST_TEST(cpu_model_in("processor\t: 0\nmodel\t\t: 1\nmodel name\t: AMD EPYC 7B13\nflags: x\n") ==
               "AMD EPYC 7B13");
    BOOST_TEST(cpu_model_in("processor\t: 0\nModel\t\t: Raspberry Pi 4") == "Raspberry Pi 4");
    BOOST_TEST(cpu_model_in("processor: 0\n") == "unknown");
    BOOST_TEST(cpu_model_in("") == "unknown");
    BOOST_TEST(memory_in("MemTotal:       24634180 kB\nMemFree: 1 kB\n") == 24'634'180LL * 1024);
    BOOST_TEST(memory_in("MemFree: 1 kB\n") == 0);
    BOOST_TEST(machine_facts().size() == 4U);
}

BOOST_AUTO_TEST_CASE(report_file_is_there_whole_or_not_at_all)
{
    folder const in;
    auto const path = in.path / "r.html";
    {
        report_file file(path.string());
        BOOST_TEST(!fs::exists(path));
        BOOST_TEST(in.files() == 1U);
    }
    BOOST_TEST(in.files() == 0U);
    std::ofstream(path) << "old";
    report_file file(path.string());
    BOOST_TEST(content(path) == "old");
    file.keep("new");
    BOOST_TEST(content(path) == "new");
    BOOST_TEST(in.files() == 1U);
    auto const mask = ::umask(0);
    ::umask(mask);
    BOOST_TEST(static_cast<unsigned>(fs::status(path).permissions()) == (0666U & ~mask));
}

BOOST_AUTO_TEST_CASE(report_file_replaces_what_a_link_leads_to)
{
    folder const in;
    std::ofstream(in.path / "real") << "old";
    fs::create_symlink("real", in.path / "link");
    report_file file((in.path / "link").string());
    file.keep("new");
    BOOST_TEST(fs::is_symlink(in.path / "link"));
    BOOST_TEST(content(in.path / "real") == "new");
}

BOOST_AUTO_TEST_CASE(report_file_refuses_places_that_cannot_be_written)
{
    folder const in;
    auto const folder_name = in.path.string();
    BOOST_TEST(complaint(folder_name) == "the report cannot be written to " + folder_name + ": it is no regular file");
    BOOST_TEST(complaint(folder_name + "/none/r.html") ==
               "the report cannot be written to " + folder_name + "/none/r.html: No such file or directory");
    BOOST_TEST(complaint("/dev/null").ends_with("it is no regular file"));
    BOOST_TEST(complaint(folder_name + "/r/").ends_with("Is a directory"));
    BOOST_TEST(in.files() == 0U);
}

BOOST_AUTO_TEST_SUITE_END()
