// The page for everybody: on a phone, in light and dark, with reduced motion, and as axe-core judges it.
import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { after, before, test } from 'node:test';
import { Stage } from './stage.mjs';

const stage = new Stage();
let axe;

before(async () => {
  axe = await readFile(new URL(import.meta.resolve('axe-core/axe.min.js')), 'utf8');
  await stage.begin();
  await stage.sql("insert into tweet.activity (messageid, action) select 1 + n % 20, case n % 3 when 0 then 'rt' else 'fav' end::tweet.action_t from generate_series(1, 400) n");
});
after(() => stage.end());

for (const colorScheme of ['light', 'dark']) {
  for (const viewport of [{ width: 1280, height: 900 }, { width: 390, height: 844 }]) {
    test(`axe-core finds nothing: ${colorScheme}, ${viewport.width} px wide`, async () => {
      const { page, faults } = await stage.open({ colorScheme, viewport, reducedMotion: 'reduce' });
      await page.locator('.card').first().hover();
      await page.locator('.locate').first().click();
      await page.locator('#place li').first().waitFor();
      await page.evaluate(axe);
      const { violations, passes } = await page.evaluate(() => globalThis.axe.run());
      assert.deepEqual(violations.map(({ id, nodes }) => [id, ...nodes.map(({ html, failureSummary }) => `${html}: ${failureSummary}`)]), []);
      assert.ok(passes.length > 20);
      assert.deepEqual(faults, []);
      await page.close();
    });
  }
}

test('fits on a phone, and stands still for those who ask for it', async () => {
  const { page: phone, faults: wrong } = await stage.open({ viewport: { width: 360, height: 740 }, reducedMotion: 'reduce', colorScheme: 'dark' });
  try {
    assert.ok(await phone.evaluate(() => document.documentElement.scrollWidth <= innerWidth));
    await stage.sql("insert into tweet.activity (messageid, action) select 30, 'fav' from generate_series(1, 9999)");
    await phone.waitForFunction(() => document.querySelector('.card').dataset.key === '30');
    const moving = await phone.evaluate(() => document.getAnimations()
      .some((animation) => animation.effect.getKeyframes().some(({ transform }) => transform && transform !== 'none')));
    assert.equal(moving, false);
    assert.deepEqual(wrong, []);
  } finally {
    await phone.close();
  }
});
