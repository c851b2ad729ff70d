#include "../../tools/play/play.hpp"

#include <boost/test/unit_test.hpp>

#include <cstdlib>
#include <fstream>
#include <iterator>
#include <string>
#include <vector>

namespace {

using pgtally::play::broken_file;
using pgtally::play::parse;

std::string play_of(std::string const& inside)
{
    return "<PLAY>\n<ACT><SCENE>\n" + inside + "\n</SCENE></ACT>\n</PLAY>\n";
}

// "line: reason" of the error; empty: the play is accepted.
std::string refusal(std::string const& xml)
{
    try {
        parse(xml);
        return {};
    } catch (broken_file const& broken) {
        return std::to_string(broken.line()) + ": " + broken.what();
    }
}

std::string dream()
{
    auto const* given = std::getenv("PGTALLY_PLAY");
    return given != nullptr ? given : std::string(PGTALLY_SOURCE_DIR) + "/../shared/data/dream.xml";
}

boost::test_tools::assertion_result dream_is_there(boost::unit_test::test_unit_id)
{
    boost::test_tools::assertion_result there(std::ifstream(dream()).good());
    there.message() << "PGTALLY_PLAY does not name dream.xml, nor is it in ../shared/data";
    return there;
}

}  // namespace

BOOST_AUTO_TEST_SUITE(test_play)

BOOST_AUTO_TEST_CASE(speeches_come_in_order_wherever_they_stand)
{
    auto const found = parse(
        "<?xml version=\"1.0\"?>\n<!DOCTYPE PLAY SYSTEM \"play.dtd\">\n<PLAY><TITLE>T</TITLE>"
        "<PROLOGUE><SPEECH><SPEAKER>A</SPEAKER><LINE>first</LINE></SPEECH></PROLOGUE>"
        "<ACT><SCENE><SPEECH><SPEAKER>B</SPEAKER><LINE>second</LINE></SPEECH></SCENE></ACT>"
        "<ACT><SCENE><SPEECH><SPEAKER>A</SPEAKER><LINE>third</LINE></SPEECH></SCENE></ACT></PLAY>");
    BOOST_TEST_REQUIRE(found.size() == 3U);
    BOOST_TEST(found[0].text == "first");
    BOOST_TEST(found[1].text == "second");
    BOOST_TEST(found[2].text == "third");
    BOOST_TEST(found[1].speakers == std::vector<std::string>{"B"}, boost::test_tools::per_element());
}

BOOST_AUTO_TEST_CASE(lines_are_joined_and_white_space_is_folded)
{
    auto const found =
        parse(play_of("<SPEECH><SPEAKER> PUCK\n </SPEAKER><LINE>  up \n\t and  </LINE><LINE>down</LINE></SPEECH>"));
    BOOST_TEST_REQUIRE(found.size() == 1U);
    BOOST_TEST(found[0].speakers.at(0) == "PUCK");
    BOOST_TEST(found[0].text == "up and\ndown");
}

BOOST_AUTO_TEST_CASE(stage_directions_are_left_out_between_and_inside_lines)
{
    auto const found =
        parse(play_of("<STAGEDIR>Enter all</STAGEDIR><SPEECH><SPEAKER>A</SPEAKER>"
                      "<LINE><STAGEDIR>Aside</STAGEDIR>one <STAGEDIR>sighs</STAGEDIR> two</LINE>"
                      "<STAGEDIR>Exit</STAGEDIR><LINE>three</LINE><LINE><STAGEDIR>dies</STAGEDIR></LINE></SPEECH>"));
    BOOST_TEST_REQUIRE(found.size() == 1U);
    BOOST_TEST(found[0].text == "one two\nthree");
}

BOOST_AUTO_TEST_CASE(speech_of_several_speakers_has_them_all)
{
    auto const found = parse(play_of("<SPEECH><SPEAKER>A</SPEAKER><SPEAKER>B</SPEAKER><LINE>we</LINE></SPEECH>"));
    BOOST_TEST_REQUIRE(found.size() == 1U);
    auto const both = std::vector<std::string>{"A", "B"};
    BOOST_TEST(found[0].speakers == both, boost::test_tools::per_element());
}

BOOST_AUTO_TEST_CASE(speech_of_stage_directions_alone_is_not_said)
{
    auto const found =
        parse(play_of("<SPEECH><SPEAKER>A</SPEAKER><STAGEDIR>bows</STAGEDIR></SPEECH>"
                      "<SPEECH><SPEAKER>A</SPEAKER><LINE>words</LINE></SPEECH>"));
    BOOST_TEST_REQUIRE(found.size() == 1U);
    BOOST_TEST(found[0].text == "words");
}

BOOST_AUTO_TEST_CASE(entities_and_cdata_are_read_as_text)
{
    auto const found =
        parse(play_of("<SPEECH><SPEAKER>A</SPEAKER><LINE>a &lt; b &amp; <![CDATA[<c>]]> &#233;</LINE></SPEECH>"));
    BOOST_TEST(found.at(0).text == "a < b & <c> \xC3\xA9");
}

BOOST_AUTO_TEST_CASE(not_well_formed_is_refused_with_its_line)
{
    auto const said = refusal("<PLAY>\n<ACT>\n<SCENE></ACT></PLAY>\n");
    BOOST_TEST(said.substr(0, 3) == "3: ");
}

BOOST_AUTO_TEST_CASE(speech_without_a_speaker_is_refused_with_its_line)
{
    BOOST_TEST(refusal(play_of("\n<SPEECH><LINE>who?</LINE></SPEECH>")) == "4: a SPEECH without a SPEAKER");
    BOOST_TEST(refusal(play_of("<SPEECH><SPEAKER> </SPEAKER><LINE>who?</LINE></SPEECH>")) ==
               "3: a SPEAKER without a name");
}

BOOST_AUTO_TEST_CASE(not_utf8_is_refused_with_its_line)
{
    for (std::string const bad : {"\xFF", "\xC0\xAF", "\xED\xA0\x80", "\xF4\x90\x80\x80", "\xE2\x82"}) {
        BOOST_TEST_CONTEXT("bytes of " << bad.size())
        {
            auto const xml = play_of("<SPEECH><SPEAKER>A</SPEAKER><LINE>" + bad + "</LINE></SPEECH>");
            BOOST_TEST(refusal(xml) == "3: this is not UTF-8");
        }
    }
    BOOST_TEST(refusal(play_of("<SPEECH><SPEAKER>A</SPEAKER><LINE>\xF0\x9F\x91\x8D</LINE></SPEECH>")).empty());
}

BOOST_AUTO_TEST_CASE(reference_to_no_character_is_refused_with_its_line)
{
    for (auto const* each : {"&#xD800;", "&#x110000;", "&#57343;"}) {
        auto const line = play_of("<SPEECH><SPEAKER>A</SPEAKER>\n<LINE>" + std::string{each} + "</LINE></SPEECH>");
        BOOST_TEST(refusal(line).ends_with(": LINE refers to a character that there is not (&#...;)"), refusal(line));
    }
    BOOST_TEST(refusal(play_of("<SPEECH><SPEAKER>A</SPEAKER><LINE>&#x1F44D;&#65;</LINE></SPEECH>")).empty());
}

BOOST_AUTO_TEST_CASE(what_is_no_play_is_refused)
{
    BOOST_TEST(refusal("<SONG/>") == "1: this is no PLAY but a SONG");
    BOOST_TEST(refusal("<PLAY>\n</PLAY>\n") == "3: nobody says anything in it");
    BOOST_TEST(!refusal("").empty());
}

// Like the larger plays of the collection: several acts with prologues, inductions and epilogues.
BOOST_AUTO_TEST_CASE(play_of_many_parts_is_read_from_beginning_to_end)
{
    auto const said = [](std::string const& who, std::string const& line) {
        return "<SPEECH><SPEAKER>" + who + "</SPEAKER><LINE>" + line + "</LINE></SPEECH>";
    };
    std::string const xml =
        "<PLAY><TITLE>T</TITLE><FM><P>Front matter</P></FM><PERSONAE><PERSONA>A</PERSONA></PERSONAE>"
        "<INDUCT><TITLE>I</TITLE><SCENE>" +
        said("A", "1") +
        "</SCENE></INDUCT>"
        "<PROLOGUE><TITLE>P</TITLE>" +
        said("CHORUS", "2") +
        "</PROLOGUE>"
        "<ACT><TITLE>ACT I</TITLE><PROLOGUE>" +
        said("CHORUS", "3") +
        "</PROLOGUE>"
        "<SCENE><TITLE>S</TITLE><SUBHEAD>h</SUBHEAD>" +
        said("A", "4") + "<STAGEDIR>Exit</STAGEDIR>" + said("B", "5") +
        "</SCENE></ACT>"
        "<ACT><TITLE>ACT II</TITLE><SCENE>" +
        said("B", "6") + "</SCENE><EPILOGUE>" + said("A", "7") + "</EPILOGUE></ACT><EPILOGUE>" + said("CHORUS", "8") +
        "</EPILOGUE></PLAY>";
    std::string order;
    for (auto const& one : parse(xml)) order += one.text;
    BOOST_TEST(order == "12345678");
}

// The file cannot be part of this project.
BOOST_AUTO_TEST_CASE(dream_has_500_speeches, *boost::unit_test::precondition(dream_is_there))
{
    std::ifstream file(dream(), std::ios::binary);
    auto const speeches = parse(std::string{std::istreambuf_iterator<char>(file), {}});
    BOOST_TEST(speeches.size() == 500U);
    for (auto const& one : speeches) BOOST_TEST(one.speakers.size() == 1U);
}

BOOST_AUTO_TEST_SUITE_END()
