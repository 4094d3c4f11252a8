export default function () { window.ngfAsked = Date.now() }
