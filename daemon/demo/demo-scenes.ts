/** What the demo's videos show: which photograph, which part of it, and which face is forged from whom. */

export interface Point {
  readonly x: number;
  readonly y: number;
}

export interface PhotoFace {
  readonly photo: string;
  /** The 68 landmarks of iBUG 300-W, pixels of the photograph. */
  readonly landmarks: readonly Point[];
}

export interface Scene {
  readonly name: "genuine" | "forged";
  readonly photo: string;
  /** Part of the photograph that the camera moves over, 16:9; it sees about 1/1.16 of it at a time. */
  readonly region: { readonly left: number; readonly top: number; readonly width: number; readonly height: number };
  /** Starts the camera at another place of its path, so that the two videos do not move alike. */
  readonly phase: number;
  readonly forgery: { readonly target: PhotoFace; readonly donor: PhotoFace } | null;
}

// Found by face-api's landmark network in photographs of full size; in its order: jaw, brows, nose, eyes, mouth.
const TARGET: PhotoFace = face("sample3.jpg", [
  [585, 437], [587, 465], [593, 492], [599, 515], [607, 542], [620, 562], [632, 577], [648, 592], [679, 602], [712, 593],
  [738, 580], [758, 566], [776, 544], [786, 517], [790, 492], [795, 464], [798, 435],
  [592, 405], [600, 395], [613, 393], [627, 395], [639, 400], [695, 402], [709, 397], [725, 394], [745, 397], [761, 407],
  [666, 434], [663, 454], [660, 472], [659, 488], [651, 499], [656, 502], [665, 504], [675, 501], [684, 499],
  [611, 429], [617, 425], [631, 425], [644, 432], [633, 437], [619, 435], [700, 433], [712, 426], [727, 426], [738, 432],
  [727, 438], [712, 437],
  [639, 536], [646, 528], [658, 523], [667, 524], [675, 521], [693, 528], [711, 535], [695, 545], [682, 551], [669, 553],
  [658, 552], [648, 547], [641, 536], [658, 533], [668, 532], [680, 533], [708, 534], [680, 538], [669, 539], [659, 538],
]);
const DONOR: PhotoFace = face("sample6.jpg", [
  [1476, 349], [1471, 379], [1469, 409], [1469, 434], [1471, 464], [1479, 491], [1492, 514], [1509, 538], [1539, 557], [1575, 555],
  [1603, 541], [1627, 527], [1649, 505], [1666, 480], [1679, 454], [1690, 427], [1699, 397],
  [1499, 336], [1512, 331], [1529, 334], [1543, 340], [1557, 350], [1611, 362], [1626, 360], [1644, 360], [1663, 365], [1675, 376],
  [1576, 390], [1569, 414], [1562, 435], [1558, 454], [1541, 454], [1547, 460], [1557, 465], [1568, 465], [1578, 464],
  [1514, 364], [1524, 363], [1539, 366], [1550, 378], [1538, 379], [1522, 374], [1607, 392], [1622, 385], [1637, 388], [1647, 397],
  [1634, 401], [1619, 398],
  [1514, 476], [1528, 477], [1544, 480], [1553, 484], [1562, 484], [1581, 492], [1596, 497], [1576, 506], [1561, 510], [1547, 509],
  [1535, 504], [1524, 494], [1517, 477], [1539, 487], [1551, 490], [1564, 493], [1592, 496], [1563, 497], [1550, 495], [1539, 492],
]);

/** The left one of the three women, without her neighbour. */
const SCENE = { photo: TARGET.photo, region: { left: 0, top: 195, width: 1040, height: 585 } } as const;

/** One scene twice, so that nothing but the swap can make the difference. */
export const SCENES: readonly Scene[] = [
  { ...SCENE, name: "genuine", phase: 0, forgery: null },
  { ...SCENE, name: "forged", phase: 2, forgery: { target: TARGET, donor: DONOR } },
];

function face(photo: string, landmarks: readonly (readonly [number, number])[]): PhotoFace {
  return { photo, landmarks: landmarks.map(([x, y]) => ({ x, y })) };
}
