import { expect, expectAccessible, test } from './fixtures'
import { picture } from './picture'

// Every screen that no other test looks at with axe on its way.
for (const [what, options] of [
  ['desktop, light', { viewport: { width: 1280, height: 800 }, colorScheme: 'light' }],
  ['phone, dark', { viewport: { width: 390, height: 844 }, isMobile: true, hasTouch: true, colorScheme: 'dark' }],
] as const) {
  test(`every screen is accessible and fits: ${what}`, async ({ person, api, complaints }) => {
    complaints.allowNetworkTrouble()
    const narrow = options.viewport.width < 600
    const [ann, ben] = await Promise.all([person('Ann', options), api.register('Ben')])
    const page = ann.page
    const look = async (at: string) => {
      await expectAccessible(page, `${at}, ${what}`)
      expect(await page.evaluate('document.documentElement.scrollWidth - document.documentElement.clientWidth'), `${at} scrolls sideways`).toBe(0)
    }
    const group = await api.conversation(ben, 'group', [ann.account], 'Cliff')
    for (const text of ['Counted 412 today', 'https://example.org/a/very/long/address/that/has/to/break/somewhere/or/other/in/a/narrow/window', 'سلام']) await api.send(ben, group, text)
    await look('the list')
    await ann.app.open('Cliff')
    await look('a group')
    await ann.app.attach({ name: 'cliff.png', mimeType: 'image/png', buffer: picture(320, 200) })
    await look('a file to be sent')
    await page.getByRole('button', { name: 'Send', exact: true }).click()
    await expect(ann.app.rows.getByRole('button', { name: 'Open the photo cliff.png' })).toBeVisible()

    await page.getByRole('button', { name: 'Emoji' }).click()
    await expect(page.getByRole('dialog')).toBeVisible()
    await look('the emoji')
    await page.keyboard.press('Escape')
    await expect(page.getByRole('dialog')).toHaveCount(0)
    await ann.app.message('Counted 412 today').getByText('Counted').click({ button: 'right' })
    await expect(page.getByRole('menu', { name: 'Message' })).toBeVisible()
    await look('the menu of a message')
    await page.getByRole('menuitem', { name: 'Reply' }).click()
    await look('a reply')

    await page.getByRole('button', { name: 'Details', exact: true }).click()
    await expect(page.getByRole('button', { name: 'Leave the group' })).toBeVisible()
    await look('the details')
    await page.getByRole('button', { name: 'Close the details' }).click()
    if (narrow) await page.getByRole('button', { name: 'Back' }).click()

    await page.getByRole('button', { name: 'Profile and settings' }).click()
    const settings = page.getByRole('dialog', { name: 'Settings' })
    for (const tab of ['Profile', 'Appearance', 'Devices', 'Blocked', 'Account']) {
      await settings.getByRole('button', { name: tab, exact: true }).click()
      await expect(settings.getByRole('region', { name: tab })).toBeVisible()
      await look(`the settings, ${tab}`)
    }
    await settings.getByRole('button', { name: 'Appearance' }).click()
    await settings.getByLabel('From right to left').click()
    await page.keyboard.press('Escape')
    await expect(page.locator('html')).toHaveAttribute('dir', 'rtl')
    await look('the list from right to left')
    await ann.app.open('Cliff')
    await look('a group from right to left')

    await page.context().setOffline(true)
    await ann.app.expectBanner(/offline|No connection/i)
    await look('without a network')
  })
}
